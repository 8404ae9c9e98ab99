"""The hot tail: batches that are not sealed yet, decoded once, and their roll-ups, summarised once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from sqlalchemy.orm import Session

from db.eventlog import payload
from db.eventlog.columns import align, stack, widest
from db.eventlog.rollup import Cell, merge_cells, summarise_events
from db.eventlog.schema import ModelSpec
from db.repositories import event_batches

#: Decoded tables kept in memory over all models; a larger tail is decoded again on each read of rows.
CACHE_BYTES = 48 * 2**20
#: Neighbouring batches are joined up to this size, so that thousands of small commits stay cheap to read.
MERGE_ROWS = 100_000
_KEEP_MODELS = 200

BatchIds = tuple[int, ...]


@dataclass(slots=True)
class HotChunk:
    """Some neighbouring batches as one table."""

    ids: BatchIds
    table: pa.Table


@dataclass(slots=True)
class HotCells:
    """The roll-up cells of some neighbouring batches."""

    ids: BatchIds
    n_events: int
    cells: list[Cell]


class HotCache:
    """Decoded hot batches and their cells by model; both are right for any snapshot, since batches never change."""

    def __init__(self) -> None:
        self._tables: OrderedDict[str, list[HotChunk]] = OrderedDict()
        self._cells: OrderedDict[tuple[Any, ...], list[HotCells]] = OrderedDict()
        self._lock = threading.Lock()

    def chunks(self, session: Session, model_id: str) -> list[HotChunk]:
        """The hot batches that the session's snapshot sees, in commit order."""
        sizes = event_batches.hot_sizes(session, model_id)
        with self._lock:
            known = self._tables.get(model_id, [])
        kept = [chunk for chunk in known if all(batch_id in sizes for batch_id in chunk.ids)]
        covered = {batch_id for chunk in kept for batch_id in chunk.ids}
        fresh = [HotChunk(ids, load(session, model_id, ids)) for ids in slices(sizes, covered)]
        chunks = _merge_tables(sorted([*kept, *fresh], key=lambda chunk: chunk.ids[0]))
        if fresh or len(kept) < len(known):
            self._keep_tables(model_id, chunks)
        return chunks

    def cells(self, session: Session, spec: ModelSpec) -> list[Cell]:
        """The roll-up cells of the hot batches that the session's snapshot sees; keys may repeat."""
        sizes = event_batches.hot_sizes(session, spec.id)
        key = (spec.id, spec.schema_version, spec.segment_keys)
        with self._lock:
            known = self._cells.get(key, [])
            decoded = {chunk.ids: chunk.table for chunk in self._tables.get(spec.id, [])}
        kept = [part for part in known if all(batch_id in sizes for batch_id in part.ids)]
        covered = {batch_id for part in kept for batch_id in part.ids}
        fresh = []
        for ids in slices(sizes, covered):
            table = decoded[ids] if ids in decoded else load(session, spec.id, ids)
            cells = summarise_events(align(table, spec.stored), spec)
            fresh.append(HotCells(ids, table.num_rows, cells))
        parts = _merge_parts(sorted([*kept, *fresh], key=lambda part: part.ids[0]))
        if fresh or len(kept) < len(known):
            with self._lock:
                self._cells[key] = parts
                self._cells.move_to_end(key)
                while len(self._cells) > _KEEP_MODELS:
                    self._cells.popitem(last=False)
        return [cell for part in parts for cell in part.cells]

    def _keep_tables(self, model_id: str, chunks: list[HotChunk]) -> None:
        with self._lock:
            self._tables[model_id] = chunks
            self._tables.move_to_end(model_id)
            total = sum(chunk.table.nbytes for kept in self._tables.values() for chunk in kept)
            while total > CACHE_BYTES and self._tables:
                _, dropped = self._tables.popitem(last=False)
                total -= sum(chunk.table.nbytes for chunk in dropped)


def slices(sizes: dict[int, int], covered: set[int]) -> Iterator[BatchIds]:
    """Neighbouring batches that are not covered, cut so that a slice has at most MERGE_ROWS events."""
    ids: list[int] = []
    n_events = 0
    for batch_id, size in sizes.items():
        if ids and (batch_id in covered or n_events + size > MERGE_ROWS):
            yield tuple(ids)
            ids, n_events = [], 0
        if batch_id not in covered:
            ids.append(batch_id)
            n_events += size
    if ids:
        yield tuple(ids)


def load(session: Session, model_id: str, ids: BatchIds) -> pa.Table:
    """The rows of some batches as one table in the widest of their schemas."""
    tables = [payload.decode(blob) for _, blob in event_batches.payloads(session, model_id, list(ids))]
    return _join(tables)


def _join(tables: list[pa.Table]) -> pa.Table:
    return stack(tables, widest([table.schema for table in tables]))


def _merge_tables(chunks: list[HotChunk]) -> list[HotChunk]:
    made: list[HotChunk] = []
    for chunk in chunks:
        made.append(chunk)
        while len(made) > 1 and _should_merge(int(made[-2].table.num_rows), int(made[-1].table.num_rows)):
            last, before = made.pop(), made.pop()
            made.append(HotChunk(before.ids + last.ids, _join([before.table, last.table])))
    return made


def _merge_parts(parts: list[HotCells]) -> list[HotCells]:
    made: list[HotCells] = []
    for part in parts:
        made.append(part)
        while len(made) > 1 and _should_merge(made[-2].n_events, made[-1].n_events):
            last, before = made.pop(), made.pop()
            cells = merge_cells([before.cells, last.cells])
            made.append(HotCells(before.ids + last.ids, before.n_events + last.n_events, cells))
    return made


def _should_merge(n_before: int, n_last: int) -> bool:
    return n_before <= 2 * n_last and n_before + n_last <= MERGE_ROWS

"""The hot tail: batches that are not sealed yet, decoded once and kept as a few growing tables per model."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from sqlalchemy.orm import Session

from db.eventlog import payload
from db.eventlog.columns import align, widest
from db.repositories import event_batches

#: Decoded tables kept in memory over all models; a larger tail is decoded again on each read.
CACHE_BYTES = 64 * 2**20
#: Neighbouring tables are joined up to this size, so that thousands of small commits stay cheap to read.
MERGE_ROWS = 100_000
_FETCH = 500


@dataclass(slots=True)
class HotChunk:
    """Some neighbouring batches as one table; `cells` keeps their roll-ups once somebody asked."""

    ids: tuple[int, ...]
    table: pa.Table
    cells: dict[Any, Any] = field(default_factory=dict)


class HotCache:
    """Decoded hot batches by model, bounded in bytes."""

    def __init__(self) -> None:
        self._models: OrderedDict[str, list[HotChunk]] = OrderedDict()
        self._lock = threading.Lock()

    def chunks(self, session: Session, model_id: str) -> list[HotChunk]:
        """The hot batches that the session's snapshot sees, in commit order."""
        ids = event_batches.hot_ids(session, model_id)
        wanted = set(ids)
        with self._lock:
            kept = [chunk for chunk in self._models.get(model_id, []) if wanted.issuperset(chunk.ids)]
        covered = {batch_id for chunk in kept for batch_id in chunk.ids}
        missing = [batch_id for batch_id in ids if batch_id not in covered]
        for place in range(0, len(missing), _FETCH):
            found = event_batches.payloads(session, model_id, missing[place : place + _FETCH])
            kept.append(_join([(batch_id, payload.decode(blob)) for batch_id, blob in found]))
        chunks = _merge(sorted(kept, key=lambda chunk: chunk.ids[0]))
        if missing or not ids:
            self._keep(model_id, chunks)
        return chunks

    def _keep(self, model_id: str, chunks: list[HotChunk]) -> None:
        with self._lock:
            self._models[model_id] = chunks
            self._models.move_to_end(model_id)
            total = sum(chunk.table.nbytes for kept in self._models.values() for chunk in kept)
            while total > CACHE_BYTES and self._models:
                _, dropped = self._models.popitem(last=False)
                total -= sum(chunk.table.nbytes for chunk in dropped)


def _join(found: list[tuple[int, pa.Table]]) -> HotChunk:
    tables = [table for _, table in found]
    schema = widest([table.schema for table in tables])
    joined = pa.concat_tables([align(table, schema) for table in tables]).combine_chunks()
    return HotChunk(tuple(batch_id for batch_id, _ in found), joined)


def _merge(chunks: list[HotChunk]) -> list[HotChunk]:
    made: list[HotChunk] = []
    for chunk in chunks:
        made.append(chunk)
        while len(made) > 1 and _should_merge(made[-2], made[-1]):
            last = made.pop()
            before = made.pop()
            schema = widest([before.table.schema, last.table.schema])
            joined = pa.concat_tables([align(before.table, schema), align(last.table, schema)]).combine_chunks()
            made.append(HotChunk(before.ids + last.ids, joined))
    return made


def _should_merge(before: HotChunk, last: HotChunk) -> bool:
    n_before, n_last = int(before.table.num_rows), int(last.table.num_rows)
    return n_before <= 2 * n_last and n_before + n_last <= MERGE_ROWS

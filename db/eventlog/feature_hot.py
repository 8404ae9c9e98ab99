"""Feature counts of the hot tail: batches that are not sealed yet, counted once per reference and kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy.orm import Session

from db.eventlog.columns import align
from db.eventlog.feature_counts import FeatureCell, count_cells, merge_counts
from db.eventlog.feature_profile import Profile
from db.eventlog.hot import MERGE_ROWS, BatchIds, load, slices
from db.eventlog.schema import ModelSpec
from db.repositories import event_batches

_KEEP_REFERENCES = 50
#: Counts kept in memory over all references, as numbers of eight bytes.
_MAX_NUMBERS = 4_000_000


@dataclass(slots=True)
class _Part:
    """The cells of some neighbouring batches."""

    ids: BatchIds
    n_events: int
    cells: list[FeatureCell]


class HotFeatures:
    """Cells of hot batches by reference; right for any snapshot, since batches and profiles never change."""

    def __init__(self) -> None:
        self._parts: OrderedDict[tuple[str, int], list[_Part]] = OrderedDict()
        self._lock = threading.Lock()

    def cells(self, session: Session, spec: ModelSpec, reference_id: str, profile: Profile) -> list[FeatureCell]:
        """The cells of the hot batches that the session's snapshot sees; keys may repeat."""
        sizes = event_batches.hot_sizes(session, spec.id)
        key = (reference_id, spec.schema_version)
        with self._lock:
            known = self._parts.get(key, [])
        kept = [part for part in known if all(batch_id in sizes for batch_id in part.ids)]
        covered = {batch_id for part in kept for batch_id in part.ids}
        fresh = []
        for ids in slices(sizes, covered):
            table = load(session, spec.id, ids)
            cells = count_cells(profile, align(table, spec.stored), spec.segment_keys)
            fresh.append(_Part(ids, table.num_rows, cells))
        parts = _merge(sorted([*kept, *fresh], key=lambda part: part.ids[0]))
        if fresh or len(kept) < len(known):
            self._keep(key, parts)
        return [cell for part in parts for cell in part.cells]

    def _keep(self, key: tuple[str, int], parts: list[_Part]) -> None:
        with self._lock:
            self._parts[key] = parts
            self._parts.move_to_end(key)
            total = sum(_numbers(kept) for kept in self._parts.values())
            while self._parts and (total > _MAX_NUMBERS or len(self._parts) > _KEEP_REFERENCES):
                _, dropped = self._parts.popitem(last=False)
                total -= _numbers(dropped)


def _numbers(parts: list[_Part]) -> int:
    return sum(len(cell.counts) for part in parts for cell in part.cells)


def _merge(parts: list[_Part]) -> list[_Part]:
    made: list[_Part] = []
    for part in parts:
        made.append(part)
        while len(made) > 1 and _should_merge(made[-2].n_events, made[-1].n_events):
            last, before = made.pop(), made.pop()
            cells = merge_counts([before.cells, last.cells])
            made.append(_Part(before.ids + last.ids, before.n_events + last.n_events, cells))
    return made


def _should_merge(n_before: int, n_last: int) -> bool:
    return n_before <= 2 * n_last and n_before + n_last <= MERGE_ROWS

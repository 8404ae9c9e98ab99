"""Which event ids were stored before: sorted hashes of hot batches in memory, sorted runs of sealed ids on disk."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import fsspec
import numpy as np
from sqlalchemy.orm import Session

from db.eventlog.ids import Hashes, sorted_contains
from db.eventlog.pending import Mask
from db.models.event_log import EventIdRun
from db.repositories import event_batches


@dataclass(slots=True)
class SealedRun:
    """One sorted run; `first_ms..last_ms` bound the UUIDv7 ids in it, other ids occur unless `is_timed`."""

    hashes: Hashes
    is_timed: bool
    first_ms: int
    last_ms: int


class SortedHashes:
    """A growing set of hashes as sorted arrays of falling size, merged like a log-structured tree."""

    def __init__(self) -> None:
        self.runs: list[Hashes] = []

    def add(self, hashes: Hashes) -> None:
        """Add hashes in any order."""
        if len(hashes) == 0:
            return
        fresh = np.sort(hashes)
        while self.runs and len(self.runs[-1]) <= 2 * len(fresh):
            fresh = np.concatenate([self.runs.pop(), fresh])
            fresh.sort(kind="stable")
        self.runs.append(fresh)

    def contains(self, hashes: Hashes) -> Mask:
        """Which of the hashes are in the set."""
        found = np.zeros(len(hashes), dtype=bool)
        for run in self.runs:
            found |= sorted_contains(run, hashes)
        return found


@dataclass(slots=True)
class Era:
    """The ids of the batches that were committed between two changes of the sealed runs."""

    last_batch_id: int = 0
    hashes: SortedHashes = field(default_factory=SortedHashes)


@dataclass(slots=True)
class IdIndex:
    """The ids of one model as far as this process has seen; `refresh` brings it up to the transaction's state.

    Ids of batches that were sealed since stay in their era until all of it is sealed: a hash that is found twice does
    no harm, and reading all hot hashes again after each seal held the door's transaction for hundreds of milliseconds.
    """

    model_id: str
    last_batch_id: int = 0
    signature: tuple[int, int] = (0, 0)
    eras: list[Era] = field(default_factory=lambda: [Era()])
    sealed: dict[str, SealedRun] = field(default_factory=dict)

    def refresh(self, session: Session) -> bool:
        """Load what others committed or sealed. Returns whether anything was new."""
        signature = event_batches.runs_signature(session, self.model_id)
        is_changed = signature != self.signature
        if is_changed:
            self._reload_runs(session)
            self._begin_era(session)
            self.signature = signature
        fresh = event_batches.hashes_after(session, self.model_id, self.last_batch_id)
        if fresh:
            self._add(fresh[-1][0], np.concatenate([np.frombuffer(blob, dtype="<u8") for _, blob in fresh]))
        return is_changed or bool(fresh)

    def _begin_era(self, session: Session) -> None:
        first = event_batches.first_hot_id(session, self.model_id)
        self.eras = [era for era in self.eras if first is not None and era.last_batch_id >= first]
        self.eras.append(Era())

    def _add(self, batch_id: int, hashes: Hashes) -> None:
        self.eras[-1].hashes.add(hashes)
        self.eras[-1].last_batch_id = self.last_batch_id = max(self.last_batch_id, batch_id)

    def _reload_runs(self, session: Session) -> None:
        rows = event_batches.runs(session, self.model_id)
        before, self.sealed = self.sealed, {}
        for row in rows:
            self.sealed[row.path] = before.get(row.path) or open_run(row)

    def note_own(self, batch_id: int, hashes: Hashes) -> None:
        """Add a batch that this process just committed."""
        self._add(batch_id, hashes)

    def contains(self, hashes: Hashes, is_timed: Mask, times_ms: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Mask:
        """Which ids may have been stored before (a hash match still has to be confirmed)."""
        found = np.zeros(len(hashes), dtype=bool)
        for era in self.eras:
            found |= era.hashes.contains(hashes)
        for run in self.sealed.values():
            ask = is_timed & (times_ms >= run.first_ms) & (times_ms <= run.last_ms)
            if not run.is_timed:
                ask |= ~is_timed
            if ask.any():
                found[ask] |= sorted_contains(run.hashes, hashes[ask])
        return found


def open_run(row: EventIdRun) -> SealedRun:
    """A run's hashes: memory-mapped where the file is local, read whole otherwise."""
    if "://" not in row.path:
        hashes = np.load(row.path, mmap_mode="r")
    else:
        with fsspec.open(row.path, "rb") as file:
            hashes = np.load(io.BytesIO(file.read()))
    return SealedRun(hashes, row.is_timed, row.first_ms, row.last_ms)

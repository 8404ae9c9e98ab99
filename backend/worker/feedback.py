"""Finds the predictions that feedback is about, and adds the signals to the roll-ups. Called by the worker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from db.engine import Database
from db.eventlog.charts import add_rollups
from db.eventlog.feedback_cells import Told, feedback_cells
from db.eventlog.filters import Filter
from db.eventlog.id_index import IdIndex
from db.eventlog.ids import hash_ids, uuid7_times
from db.eventlog.log import EventLog
from db.eventlog.problems import UnknownModel
from db.eventlog.schema import ModelSpec
from db.models.signal import Feedback
from db.repositories import event_batches, feedback

#: Signals of one transaction: it adds to roll-up cells and holds the write lock meanwhile.
SLICE = 200
#: A prediction that has not come is looked for again after this time, twice as long each time, up to the longest.
FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 6 * 3600.0
#: Where a prediction lies before its feedback, tried in turn: most feedback comes soon, and days are files.
_BEFORE = (timedelta(days=1), timedelta(days=14), None)
_AFTER = timedelta(hours=1)


class FeedbackJoiner:
    """Joins waiting feedback. One per worker; it remembers which event ids are known."""

    def __init__(self, database: Database, eventlog: EventLog) -> None:
        self.database, self.eventlog = database, eventlog
        self._ids: dict[str, IdIndex] = {}

    def run(self, now: datetime, *, max_slices: int = 20) -> int:
        """Join what is due; how many signals found their prediction."""
        n_joined = 0
        for _ in range(max_slices):
            with self.database.read() as session:
                due = feedback.waiting(session, now, limit=SLICE)
            if not due:
                break
            for model_id in sorted({row.model_id for row in due}):
                n_joined += self._join(model_id, [row for row in due if row.model_id == model_id], now)
        return n_joined

    def _join(self, model_id: str, due: Sequence[Feedback], now: datetime) -> int:
        try:
            spec = self.eventlog.models.by_id(model_id)
        except UnknownModel:
            return 0
        found = self._find(spec, due)
        later = {row.id: _retry_at(row, now) for row in due if row.prediction_id not in found}
        with self.database.write() as session:
            event_batches.lock_model(session, model_id)
            rows = feedback.still_waiting(session, [row.id for row in due if row.prediction_id in found])
            add_rollups(
                session, model_id, feedback_cells(_count(session, model_id, rows, found, spec), spec.segment_keys)
            )
            feedback.postpone(session, later)
        return len(rows)

    def _find(self, spec: ModelSpec, due: Sequence[Feedback]) -> dict[str, dict[str, Any]]:
        """The predictions by id. Those that were surely never stored cost no look into the lake."""
        earliest: dict[str, datetime] = {}
        for row in due:
            at = earliest.get(row.prediction_id, row.happened_at)
            earliest[row.prediction_id] = min(at, row.happened_at)
        ids = pa.array(list(earliest), pa.string())
        index = self._ids.setdefault(spec.id, IdIndex(spec.id))
        with self.database.read() as session:
            index.refresh(session)
        known = index.contains(hash_ids(ids), *uuid7_times(ids))
        wanted = [event_id for event_id, is_known in zip(earliest, known.tolist(), strict=True) if is_known]
        columns = ["event_id", "happened_at", "version", "role", *("seg_" + key for key in spec.segment_keys)]
        found: dict[str, dict[str, Any]] = {}
        for before in _BEFORE:
            open_ids = [event_id for event_id in wanted if event_id not in found]
            if not open_ids:
                break
            times = [earliest[event_id] for event_id in open_ids]
            start = min(times) - before if before is not None else None
            end = max(times) + _AFTER if before is not None else None
            where = [Filter("event_id", "in", open_ids)]
            table = self.eventlog.read(spec.id, start, end, columns=columns, where=where)
            found |= {row["event_id"]: row for row in table.to_pylist()}
        return found


def _count(
    session: Any, model_id: str, rows: Iterable[Feedback], found: dict[str, dict[str, Any]], spec: ModelSpec
) -> list[Told]:
    """Copy where each prediction was counted; the first signal of a name about a prediction enters the roll-ups."""
    rows = list(rows)
    counted = feedback.counted_signals(session, model_id, [row.prediction_id for row in rows])
    told = []
    for row in rows:
        event = found[row.prediction_id]
        row.predicted_at, row.version, row.role = event["happened_at"], event["version"], event["role"]
        row.segments = {key: event["seg_" + key] for key in spec.segment_keys}
        row.is_counted = (row.prediction_id, row.name) not in counted
        if row.is_counted:
            counted.add((row.prediction_id, row.name))
            told.append(Told(row.name, row.value, event["happened_at"], row.version, row.role, row.segments))
    session.flush()
    return told


def _retry_at(row: Feedback, now: datetime) -> datetime:
    wait_s = float(np.minimum(FIRST_RETRY_S * 2.0 ** min(row.n_tries, 30), LONGEST_RETRY_S))
    return now + timedelta(seconds=wait_s)

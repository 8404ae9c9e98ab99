"""What a review policy may have to know beside the answers: open alerts, and bins of inputs whose share has grown.

Read once per run of triage and by the preview, and only where the policy asks for it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cachetools import TTLCache

from db.engine import Database
from db.eventlog.feature_bins import FeatureBins
from db.eventlog.log import EventLog
from db.models.model import Model
from db.repositories import alert_incidents

Flags = npt.NDArray[np.bool_]
#: Bins that have grown are looked for in the last day, and anew after ten minutes: it compares all features.
_WINDOW, _KEEP_S = timedelta(days=1), 600.0
_MAX_ALERTS = 1_000

_grown: TTLCache[tuple[str, str], list[GrownBins]] = TTLCache(maxsize=1_000, ttl=_KEEP_S)


@dataclass(frozen=True, slots=True)
class GrownBins:
    """The fine bins of one drifted input that hold a larger share than in the reference."""

    bins: FeatureBins
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """Alerts as (opened, closed or None), and per stretch of time (from, until or None) the bins that had grown."""

    alerts: Sequence[tuple[datetime, datetime | None]] = ()
    grown: Sequence[tuple[datetime, datetime | None, Sequence[GrownBins]]] = ()

    def in_alert(self, moment: datetime) -> bool:
        """Whether an alert was open at a moment."""
        return any(opened <= moment and (closed is None or moment <= closed) for opened, closed in self.alerts)

    def in_grown_bin(self, table: pa.Table) -> Flags:
        """Rows with an input in a bin that had grown when they happened."""
        flags = np.zeros(table.num_rows, dtype=bool)
        if not any(bins for _, _, bins in self.grown):
            return flags
        times = table["happened_at"].cast(pa.int64()).to_numpy()
        for start, end, bins in self.grown:
            here = times >= _micros(start)
            if end is not None:
                here &= times < _micros(end)
            for one in bins:
                if one.bins.column in table.column_names:
                    flags |= here & np.isin(
                        one.bins.codes(table[one.bins.column]), np.array(one.places, dtype=np.int64)
                    )
        return flags

    @property
    def columns(self) -> list[str]:
        """Inputs of which any bin had grown."""
        return sorted({one.bins.column for _, _, bins in self.grown for one in bins})


def _micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def read_situation(
    database: Database,
    eventlog: EventLog,
    model: Model,
    looks_at: Collection[str],
    since: datetime,
    now: datetime,
    *,
    by_day: bool = False,
) -> Situation:
    """What the strata `looks_at` need to know about events from `since` on.

    Bins that have grown are judged over the last day and hold from its start on. With `by_day`, for a look back, each
    day before is judged too and holds for itself.
    """
    alerts: list[tuple[datetime, datetime | None]] = []
    if "alert" in looks_at:
        with database.read() as session:
            rows = alert_incidents.list_incidents(session, model_ids=[model.id], start=since, limit=_MAX_ALERTS)
            alerts = [(row.opened_at, row.closed_at) for row in rows if row.kind != "failure"]
    if "drifted_bin" not in looks_at:
        return Situation(alerts)
    grown: list[tuple[datetime, datetime | None, Sequence[GrownBins]]] = [
        (now - _WINDOW, None, _find_grown(database, eventlog, model, now))
    ]
    end = now - _WINDOW
    while by_day and end > since:
        grown.append((end - _WINDOW, end, _judge(database, eventlog, model, end)))
        end -= _WINDOW
    return Situation(alerts, grown)


def _find_grown(database: Database, eventlog: EventLog, model: Model, now: datetime) -> list[GrownBins]:
    key = (str(database.url), model.id)
    if key not in _grown:
        _grown[key] = _judge(database, eventlog, model, now)
    return _grown[key]


def _judge(database: Database, eventlog: EventLog, model: Model, now: datetime) -> list[GrownBins]:
    """The drift slice's verdict on the last day, by the model's current reference; without one nothing drifts."""
    from backend.drift.service import judge_window
    from backend.drift.windows import fine_bins
    from db.eventlog.feature_store import profiles
    from db.repositories import drift_references

    with database.read() as session:
        reference = drift_references.current_reference(session, model.id)
        profile = profiles(session, [reference.id]).get(reference.id) if reference is not None else None
    if profile is None:
        return []
    by_name: dict[str, Any] = {bins.column: bins for bins in profile.features}
    found = []
    for verdict in judge_window(database, eventlog, model, (now - _WINDOW, now), now=now):
        bins = by_name.get(verdict.feature)
        grown = [moved.bin for moved in verdict.moved if moved.current > moved.reference]
        if verdict.verdict == "drifted" and bins is not None and grown:
            found.append(GrownBins(bins, tuple(fine_bins(bins, grown))))
    return found

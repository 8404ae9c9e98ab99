"""Lets alert rules ask what drifted: the drift slice's verdicts in the shape that rules read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.alerts.evaluate import DriftJudge
from db.base import utc_now
from db.engine import Database
from db.eventlog.log import EventLog

#: Drift is counted by the hour, so a rule sees at most so many different windows in a month: the budget of false alarms
#: is spread over all of them, though those of a rule overlap.
_WINDOWS_A_MONTH = 720.0


@dataclass(slots=True)
class Judged:
    """The verdict on one feature, with what an incident tells of it."""

    feature: str
    verdict: str
    reason: str | None
    psi: float | None
    n: int


def drift_judge(database: Database, eventlog: EventLog) -> DriftJudge:
    """Verdicts of a model's window against its current reference; without a reference there is nothing to say."""

    def judge(
        model: Any, version: str | None, segment: tuple[str, str] | None, start: datetime, end: datetime
    ) -> list[Judged]:
        from backend.drift.service import judge_window  # SciPy comes along: only where a rule asks for it

        found = judge_window(
            database,
            eventlog,
            model,
            (start, end),
            version=version,
            segment=segment,
            now=utc_now(),
            windows_per_month=_WINDOWS_A_MONTH,
        )
        return [Judged(one.feature, one.verdict, one.reason, one.psi, one.n_current) for one in found]

    return judge

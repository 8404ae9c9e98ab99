"""How fast people worked lately: what a review policy may ask of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models.review import Decision

_DAYS = 7
#: Answers looked at, newest first.
_MAX = 50_000


@dataclass(frozen=True, slots=True)
class Speed:
    """Answers of the last seven days: a day on average, on the busiest UTC day, people, and median seconds each."""

    answers_per_day: float
    busiest_day: int
    n_people: int
    median_s: float | None


def read_speed(session: Session, model_id: str, now: datetime) -> Speed:
    """What people at the bench answered, planted items too: they take as long. Skips are no answers."""
    query = (
        select(Decision.judge, Decision.decided_at, Decision.duration_ms)
        .where(
            Decision.model_id == model_id,
            Decision.decided_at >= now - timedelta(days=_DAYS),
            Decision.decided_at < now,
            Decision.task_id.is_not(None),
            Decision.verb != "skip",
        )
        .order_by(Decision.decided_at.desc())
        .limit(_MAX)
    )
    rows = session.execute(query).all()
    by_day = Counter(row.decided_at.date() for row in rows)
    took = [row.duration_ms for row in rows if row.duration_ms]
    return Speed(
        answers_per_day=len(rows) / _DAYS,
        busiest_day=max(by_day.values(), default=0),
        n_people=len({row.judge for row in rows}),
        median_s=median(took) / 1000 if took else None,
    )

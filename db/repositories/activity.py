"""How much people did for a model in a window, in counts only: decisions, disputes, the queue, what was learnt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, distinct, func, or_, select
from sqlalchemy.orm import Session

from db.models.learn import Dataset, RetrainingRun
from db.models.review import Decision, GroundTruth, ReviewTask
from review.rules.queue import NOT_EVIDENCE

ADJUDICATE = "adjudicate"


@dataclass(frozen=True, slots=True)
class People:
    """What people decided in a window."""

    n_decisions: int
    n_people: int
    n_subjects: int


@dataclass(frozen=True, slots=True)
class Queue:
    """Review tasks: opened and closed in a window, and open now with the moment the oldest was opened."""

    n_opened: int
    n_closed: int
    n_open: int
    oldest_open_at: datetime | None


def people_of(session: Session, model_id: str, start: datetime, end: datetime) -> People:
    """Labels that people gave in [start, end) and did not take back; outside predictors and planted items do not
    count."""
    query = select(func.count(), func.count(distinct(Decision.judge)), func.count(distinct(Decision.subject_id))).where(
        Decision.model_id == model_id,
        Decision.decided_at >= start,
        Decision.decided_at < end,
        Decision.verb == "label",
        Decision.superseded_by.is_(None),
        Decision.is_planted.is_(False),
        or_(Decision.judge.like("user:%"), Decision.judge.like("person:%")),
    )
    n_decisions, n_people, n_subjects = session.execute(query).one()
    return People(n_decisions, n_people, n_subjects)


def queue_of(session: Session, model_id: str, start: datetime, end: datetime, *, disputes: bool) -> Queue:
    """The queue of items, or with `disputes` that of disagreements to settle."""
    kind = ReviewTask.mode == ADJUDICATE if disputes else ReviewTask.mode != ADJUDICATE

    is_work = ReviewTask.reason.not_in(NOT_EVIDENCE)

    def count(*conditions: ColumnElement[bool]) -> int:
        query = select(func.count()).where(ReviewTask.model_id == model_id, kind, is_work, *conditions)
        return session.scalars(query).one()

    oldest = select(func.min(ReviewTask.created_at)).where(
        ReviewTask.model_id == model_id, kind, is_work, ReviewTask.state == "open"
    )
    return Queue(
        n_opened=count(ReviewTask.created_at >= start, ReviewTask.created_at < end),
        n_closed=count(ReviewTask.closed_at >= start, ReviewTask.closed_at < end),
        n_open=count(ReviewTask.state == "open"),
        oldest_open_at=session.scalars(oldest).one(),
    )


def labels_since(session: Session, model_id: str, since: datetime | None) -> int:
    """Labels in force that became known after a moment (None: all of them)."""
    query = select(func.count()).where(GroundTruth.model_id == model_id, GroundTruth.is_current.is_(True))
    if since is not None:
        query = query.where(GroundTruth.logged_at > since)
    return session.scalars(query).one()


def datasets_made(session: Session, model_id: str, start: datetime, end: datetime, *, limit: int = 20) -> list[Dataset]:
    """Snapshots made in a window, oldest first."""
    query = select(Dataset).where(Dataset.model_id == model_id, Dataset.created_at >= start, Dataset.created_at < end)
    return list(session.scalars(query.order_by(Dataset.id).limit(limit)))


def runs_begun(
    session: Session, model_id: str, start: datetime, end: datetime, *, limit: int = 20
) -> list[RetrainingRun]:
    """Retraining runs begun in a window, oldest first."""
    query = select(RetrainingRun).where(
        RetrainingRun.model_id == model_id, RetrainingRun.created_at >= start, RetrainingRun.created_at < end
    )
    return list(session.scalars(query.order_by(RetrainingRun.id).limit(limit)))

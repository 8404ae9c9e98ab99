"""Counts over whole tables, for Prometheus; each is one grouped query over an index."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models.alert import AlertIncident
from db.models.learn import Job, Worker
from db.models.review import ReviewTask
from db.repositories.jobs import STALLED_AFTER_S


def open_tasks(session: Session) -> dict[str, int]:
    """Review tasks that wait, by model id."""
    query = select(ReviewTask.model_id, func.count()).where(ReviewTask.state == "open").group_by(ReviewTask.model_id)
    return {model_id: int(n) for model_id, n in session.execute(query)}


def open_incidents(session: Session) -> dict[str, int]:
    """What fires, by model id."""
    query = (
        select(AlertIncident.model_id, func.count())
        .where(AlertIncident.closed_at.is_(None))
        .group_by(AlertIncident.model_id)
    )
    return {model_id: int(n) for model_id, n in session.execute(query)}


def jobs_by_state(session: Session) -> dict[tuple[str, str], int]:
    """Jobs by kind and state."""
    query = select(Job.kind, Job.state, func.count()).group_by(Job.kind, Job.state)
    return {(kind, state): int(n) for kind, state, n in session.execute(query)}


def living_workers(session: Session, now: datetime) -> int:
    """Workers whose heartbeat is fresh."""
    since = now - timedelta(seconds=STALLED_AFTER_S)
    return session.scalars(select(func.count()).where(Worker.heartbeat_at >= since)).one()

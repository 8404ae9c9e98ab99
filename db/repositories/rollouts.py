"""Who answers for a model: the newest row is in force, older ones are the history."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models.model import Rollout


def current_rollout(session: Session, model_id: str) -> Rollout | None:
    query = select(Rollout).where(Rollout.model_id == model_id).order_by(Rollout.id.desc()).limit(1)
    return session.scalars(query).first()


def current_rollouts(session: Session, model_ids: Collection[str]) -> dict[str, Rollout]:
    """The rollout in force per model id; models that never had one are absent."""
    newest = select(func.max(Rollout.id)).where(Rollout.model_id.in_(list(model_ids))).group_by(Rollout.model_id)
    return {row.model_id: row for row in session.scalars(select(Rollout).where(Rollout.id.in_(newest)))}


def get_rollout(session: Session, model_id: str, rollout_id: int) -> Rollout | None:
    query = select(Rollout).where(Rollout.model_id == model_id, Rollout.id == rollout_id)
    return session.scalars(query).one_or_none()


def list_rollouts(
    session: Session,
    model_id: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[Rollout]:
    """Rollouts, newest first; `start` and `end` bound the time at which they came into force."""
    query = select(Rollout).where(Rollout.model_id == model_id).order_by(Rollout.id.desc()).limit(limit)
    if start is not None:
        query = query.where(Rollout.created_at >= start)
    if end is not None:
        query = query.where(Rollout.created_at < end)
    if before_id is not None:
        query = query.where(Rollout.id < before_id)
    return list(session.scalars(query))


def add_rollout(session: Session, rollout: Rollout) -> Rollout:
    session.add(rollout)
    session.flush()
    return rollout

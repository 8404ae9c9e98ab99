"""How much of each model waits to be sealed; the worker asks it every second."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models.event_log import EventBatch, Seal
from db.repositories.event_batches import sealed_up_to


@dataclass(frozen=True, slots=True)
class Unsealed:
    """The hot batches of one model. `is_claimed`: some of them belong to a seal that is not finished."""

    model_id: str
    n_events: int
    oldest_at: datetime
    last_id: int
    is_claimed: bool


def unsealed_models(session: Session) -> list[Unsealed]:
    """One line per model that has hot batches."""
    newest_state = (
        select(Seal.state).where(Seal.model_id == EventBatch.model_id).order_by(Seal.id.desc()).limit(1)
    ).scalar_subquery()
    query = (
        select(
            EventBatch.model_id,
            func.sum(EventBatch.n_events),
            func.min(EventBatch.logged_at),
            func.max(EventBatch.id),
            newest_state == "claimed",
        )
        .where(EventBatch.id > sealed_up_to(EventBatch.model_id))
        .group_by(EventBatch.model_id)
    )
    return [Unsealed(*row[:4], bool(row[4])) for row in session.execute(query)]

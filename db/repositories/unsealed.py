"""How much of each model waits to be sealed; the worker asks it every second."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models.event_log import EventBatch


@dataclass(frozen=True, slots=True)
class Unsealed:
    """The hot batches of one model. `n_claimed` of them belong to a seal that is not finished."""

    model_id: str
    n_events: int
    oldest_at: datetime
    last_id: int
    n_claimed: int


def unsealed_models(session: Session) -> list[Unsealed]:
    """One line per model that has hot batches."""
    query = select(
        EventBatch.model_id,
        func.sum(EventBatch.n_events),
        func.min(EventBatch.logged_at),
        func.max(EventBatch.id),
        func.count(EventBatch.sealed_in),
    ).group_by(EventBatch.model_id)
    return [Unsealed(*row) for row in session.execute(query)]

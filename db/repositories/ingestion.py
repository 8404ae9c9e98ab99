"""Counts of rows accepted, repeated and refused, per model, minute and reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models.event_log import IngestionCount

ACCEPTED = "accepted"
DUPLICATE = "duplicate"


_COUNTS: Table = IngestionCount.__table__  # type: ignore[assignment]


def _adding(made: Any) -> Any:
    return made.on_conflict_do_update(
        index_elements=["model_name", "minute_at", "reason"],
        set_={"n_events": _COUNTS.c.n_events + made.excluded.n_events},
    )


#: Built once: this runs in every commit of the event log.
_ADD = {"postgresql": _adding(postgresql.insert(_COUNTS)), "sqlite": _adding(sqlite.insert(_COUNTS))}


def add_counts(session: Session, minute_at: datetime, counts: Mapping[tuple[str, str], int]) -> None:
    """Add to the counts of one minute; keys are (model name, reason)."""
    rows = [
        {"model_name": model[:100], "minute_at": minute_at, "reason": reason[:60], "n_events": n}
        for (model, reason), n in sorted(counts.items())
        if n
    ]
    if not rows:
        return
    session.connection().execute(_ADD[session.get_bind().dialect.name], rows)


def list_counts(
    session: Session, start: datetime, end: datetime, *, model_name: str | None = None, limit: int = 100_000
) -> list[IngestionCount]:
    """Counts of the minutes in [start, end), oldest first."""
    statement = select(IngestionCount).where(IngestionCount.minute_at >= start, IngestionCount.minute_at < end)
    if model_name is not None:
        statement = statement.where(IngestionCount.model_name == model_name)
    return list(session.scalars(statement.order_by(IngestionCount.minute_at, IngestionCount.reason).limit(limit)))

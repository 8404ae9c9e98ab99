"""Events that were refused for their content, kept readable with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from db.models.event_log import QuarantinedEvent


def add_rows(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Keep refused rows; each is {model_name, code, pointer, message, raw, actor, received_at}."""
    if rows:
        session.execute(insert(QuarantinedEvent), list(rows))


def list_rows(
    session: Session,
    *,
    model_name: str | None = None,
    models: Iterable[str] | None = None,
    code: str | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[QuarantinedEvent]:
    """Refused rows, newest first. `models` narrows to what the caller may see."""
    statement = select(QuarantinedEvent)
    if model_name is not None:
        statement = statement.where(QuarantinedEvent.model_name == model_name)
    if models is not None:
        statement = statement.where(QuarantinedEvent.model_name.in_(list(models)))
    if code is not None:
        statement = statement.where(QuarantinedEvent.code == code)
    if before_id is not None:
        statement = statement.where(QuarantinedEvent.id < before_id)
    return list(session.scalars(statement.order_by(QuarantinedEvent.id.desc()).limit(limit)))


def delete_before(session: Session, before: datetime, *, limit: int = 10_000) -> int:
    """Forget rows that were received before a time, at most `limit` in one transaction."""
    old = select(QuarantinedEvent.id).where(QuarantinedEvent.received_at < before).limit(limit)
    found = list(session.scalars(old))
    if found:
        session.execute(delete(QuarantinedEvent).where(QuarantinedEvent.id.in_(found)))
    return len(found)

"""The outbox in SQL: messages written with what they tell of, leased by one worker at a time, kept with their fate."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, bindparam, delete, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models.alert import OutboxMessage

_PICK = (
    "SELECT id FROM outbox_messages WHERE state = 'waiting' AND next_at <= :now "
    "AND (lease_until IS NULL OR lease_until < :now) ORDER BY next_at, id LIMIT :n"
)
_SET = "UPDATE outbox_messages SET lease_token = :token, lease_until = :until"
_SQLITE_CLAIM = f"{_SET} WHERE id IN ({_PICK}) RETURNING id"
_POSTGRES_CLAIM = (
    f"WITH picked AS MATERIALIZED ({_PICK} FOR UPDATE SKIP LOCKED) "
    f"{_SET} FROM picked WHERE outbox_messages.id = picked.id RETURNING outbox_messages.id"
)


def add_messages(session: Session, rows: Sequence[dict[str, Any]]) -> int:
    """Put messages into the outbox; one whose `dedupe_key` is there already is left out. How many were new."""
    if not rows:
        return 0
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(OutboxMessage).on_conflict_do_nothing(index_elements=["dedupe_key"])
    return len(list(session.scalars(statement.returning(OutboxMessage.id), list(rows))))


def claim_messages(session: Session, *, n: int, token: str, now: datetime, until: datetime) -> list[OutboxMessage]:
    """Lease up to `n` messages that are due; another worker takes them when this one falls silent."""
    template = _SQLITE_CLAIM if session.get_bind().dialect.name == "sqlite" else _POSTGRES_CLAIM
    statement = text(template).bindparams(
        bindparam("now", type_=OutboxMessage.next_at.type), bindparam("until", type_=OutboxMessage.next_at.type)
    )
    ids = list(session.scalars(statement, {"n": n, "token": token, "now": now, "until": until}))
    query = select(OutboxMessage).where(OutboxMessage.id.in_(ids)).order_by(OutboxMessage.next_at, OutboxMessage.id)
    return list(session.scalars(query.execution_options(populate_existing=True)))


def next_due(session: Session, now: datetime) -> str | None:
    """The id of a message that is due and that nobody is sending; asked often, and it writes nothing."""
    query = (
        select(OutboxMessage.id)
        .where(OutboxMessage.state == "waiting", OutboxMessage.next_at <= now)
        .where(OutboxMessage.lease_until.is_(None) | (OutboxMessage.lease_until < now))
        .limit(1)
    )
    return session.scalars(query).first()


def settle_message(session: Session, message_id: str, token: str, **values: Any) -> bool:
    """Write what became of a leased message; False when the lease was lost meanwhile."""
    statement = (
        update(OutboxMessage)
        .where(OutboxMessage.id == message_id, OutboxMessage.lease_token == token, OutboxMessage.state == "waiting")
        .values(lease_token=None, lease_until=None, **values)
        .returning(OutboxMessage.id)
    )
    return session.execute(statement, execution_options={"synchronize_session": False}).first() is not None


def get_message(session: Session, message_id: str) -> OutboxMessage | None:
    return session.get(OutboxMessage, message_id)


def list_messages(
    session: Session,
    *,
    state: str | None = None,
    channel_id: str | None = None,
    model_names: Collection[str] | None = None,
    before_id: str | None = None,
    limit: int = 100,
) -> list[OutboxMessage]:
    """Messages, newest first; ids are ordered by time."""
    query = select(OutboxMessage).order_by(OutboxMessage.id.desc()).limit(limit)
    if state is not None:
        query = query.where(OutboxMessage.state == state)
    if channel_id is not None:
        query = query.where(OutboxMessage.channel_id == channel_id)
    if model_names is not None:
        query = query.where(OutboxMessage.model_name.in_(list(model_names)))
    if before_id is not None:
        query = query.where(OutboxMessage.id < before_id)
    return list(session.scalars(query))


def send_again(session: Session, message_id: str, now: datetime, give_up_at: datetime) -> bool:
    """Make a message that waits or was given up due at once; False for one that was sent or is being sent."""
    statement = (
        update(OutboxMessage)
        .where(OutboxMessage.id == message_id, OutboxMessage.state != "sent")
        .where(OutboxMessage.lease_until.is_(None) | (OutboxMessage.lease_until < now))
        .values(state="waiting", next_at=now, give_up_at=give_up_at, lease_token=None, lease_until=None)
        .returning(OutboxMessage.id)
    )
    return session.execute(statement, execution_options={"synchronize_session": False}).first() is not None


def count_messages(session: Session) -> dict[str, int]:
    """Messages by state."""
    rows = session.execute(select(OutboxMessage.state, func.count()).group_by(OutboxMessage.state))
    return {state: int(n) for state, n in rows}


def oldest_waiting(session: Session) -> datetime | None:
    """When the message that waits longest was written."""
    found: datetime | None = session.scalar(
        select(func.min(OutboxMessage.created_at)).where(OutboxMessage.state == "waiting")
    )
    return found


def remove_settled(session: Session, before: datetime) -> int:
    """Forget messages that were sent or given up and are older than this."""
    statement = delete(OutboxMessage).where(OutboxMessage.state != "waiting", OutboxMessage.created_at < before)
    answer = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(answer, CursorResult)
    return int(answer.rowcount)

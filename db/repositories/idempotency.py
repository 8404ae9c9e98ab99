"""Answers kept by Idempotency-Key, so that a retried request is answered as the first was."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models.event_log import IdempotencyKey


def claim(session: Session, key: str, request_hash: str, now: datetime) -> IdempotencyKey | None:
    """Reserve a key in this transaction. Returns the earlier request's row when the key was used before.

    On PostgreSQL this waits for another transaction that holds the same key.
    """
    maker = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = maker(IdempotencyKey).values(key=key, request_hash=request_hash, status=0, body="", created_at=now)
    taken = session.execute(
        statement.on_conflict_do_nothing(index_elements=["key"]).returning(IdempotencyKey.key)
    ).scalar_one_or_none()
    return None if taken is not None else find(session, key)


def finish(session: Session, key: str, status: int, body: str) -> None:
    """Keep the answer of the request that claimed the key."""
    session.execute(update(IdempotencyKey).where(IdempotencyKey.key == key).values(status=status, body=body))


def find(session: Session, key: str) -> IdempotencyKey | None:
    """The answer kept for a key."""
    return session.scalar(select(IdempotencyKey).where(IdempotencyKey.key == key))


def delete_before(session: Session, before: datetime, *, limit: int = 10_000) -> int:
    """Forget answers older than a time, at most `limit` in one transaction."""
    old = select(IdempotencyKey.key).where(IdempotencyKey.created_at < before).limit(limit)
    found = list(session.scalars(old))
    if found:
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.key.in_(found)))
    return len(found)

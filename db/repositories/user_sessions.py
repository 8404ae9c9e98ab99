"""Server-side sessions: only token hashes are stored, deleting a row signs out."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.models.person import User, UserSession


def add_session(session: Session, row: UserSession) -> None:
    session.add(row)
    session.flush()


def find_session(session: Session, token_hash: str, now: datetime) -> tuple[UserSession, User] | None:
    """The unexpired session with this token hash and its active user."""
    query = (
        select(UserSession, User)
        .join(User, User.id == UserSession.user_id)
        .where(UserSession.token_hash == token_hash, UserSession.expires_at > now, User.is_active)
    )
    found = session.execute(query).one_or_none()
    return (found[0], found[1]) if found else None


def delete_session(session: Session, token_hash: str) -> None:
    session.execute(delete(UserSession).where(UserSession.token_hash == token_hash))


def delete_sessions_of(session: Session, user_id: str, *, keep: str | None = None) -> None:
    """End every session of a person, except the one with the token hash `keep`."""
    query = delete(UserSession).where(UserSession.user_id == user_id)
    if keep is not None:
        query = query.where(UserSession.token_hash != keep)
    session.execute(query)


def delete_expired(session: Session, now: datetime) -> None:
    session.execute(delete(UserSession).where(UserSession.expires_at <= now))

"""Keys of services: looked up by hash, listed, never deleted (a revoked key stays readable in the audit)."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models.person import ApiKey


def find_by_hash(session: Session, key_hash: str) -> ApiKey | None:
    """The key with this hash, whether it is still good or not."""
    return session.scalars(select(ApiKey).where(ApiKey.key_hash == key_hash)).one_or_none()


def get_key(session: Session, key_id: str) -> ApiKey | None:
    return session.get(ApiKey, key_id)


def list_keys(session: Session, *, limit: int = 100, offset: int = 0) -> list[ApiKey]:
    """Keys, newest first."""
    query = select(ApiKey).order_by(ApiKey.created_at.desc(), ApiKey.id.desc()).limit(limit).offset(offset)
    return list(session.scalars(query))


def names_of(session: Session, key_ids: Iterable[str]) -> dict[str, str]:
    """Names by id, for screens that show which service did something."""
    rows = session.execute(select(ApiKey.id, ApiKey.name).where(ApiKey.id.in_(list(set(key_ids)))))
    return {row.id: row.name for row in rows}


def add_key(session: Session, key: ApiKey) -> ApiKey:
    session.add(key)
    session.flush()
    return key

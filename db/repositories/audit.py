"""The audit trail: an append-only chain in which every line's hash covers the line and the hash before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from db.base import utc_now
from db.models.person import AuditEntry

#: The hash before the first line.
GENESIS = "0" * 64
#: Any number; it only has to be the same in every process that writes to the trail.
_POSTGRES_LOCK = 7_301_447_121


def entry_hash(entry: AuditEntry) -> str:
    """SHA-256 over the canonical JSON of a line together with the hash before it."""
    content = {
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "details": entry.details,
        "reason": entry.reason,
        "previous_hash": entry.previous_hash,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def record(
    session: Session,
    actor: str,
    action: str,
    target: str = "",
    details: dict[str, Any] | None = None,
    reason: str | None = None,
    *,
    at: datetime | None = None,
) -> AuditEntry:
    """Add a line in the caller's transaction: it is kept exactly when what it tells of is kept.

    Writers wait for each other from here to their commit (PostgreSQL: an advisory lock; SQLite: its one write
    lock), so call this last in a transaction.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LOCK})
    last = session.scalars(select(AuditEntry.hash).order_by(AuditEntry.id.desc()).limit(1)).first()
    entry = AuditEntry(
        at=at or utc_now(),
        actor=actor[:200],
        action=action,
        target=target[:300],
        details=json.loads(json.dumps(details or {}, default=str, allow_nan=False)),
        reason=reason,
        previous_hash=last or GENESIS,
    )
    entry.hash = entry_hash(entry)
    session.add(entry)
    session.flush()
    return entry


def list_entries(
    session: Session,
    *,
    action: str | None = None,
    actor: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[AuditEntry]:
    """Lines, newest first. `action` matches exactly, or a whole family when it ends in "." ("rollout.")."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if action is not None:
        family = action.endswith(".")
        query = query.where(
            AuditEntry.action.startswith(action, autoescape=True) if family else AuditEntry.action == action
        )
    if actor is not None:
        query = query.where(AuditEntry.actor == actor)
    if start is not None:
        query = query.where(AuditEntry.at >= start)
    if end is not None:
        query = query.where(AuditEntry.at < end)
    if before_id is not None:
        query = query.where(AuditEntry.id < before_id)
    return list(session.scalars(query))


def iter_entries(session: Session, *, page: int = 1000) -> Iterator[AuditEntry]:
    """All lines, oldest first, a page at a time."""
    after = 0
    while True:
        rows = list(
            session.scalars(select(AuditEntry).where(AuditEntry.id > after).order_by(AuditEntry.id).limit(page))
        )
        yield from rows
        if len(rows) < page:
            return
        after = rows[-1].id
        session.expunge_all()


def verify_chain(session: Session) -> tuple[int, int | None]:
    """(number of good lines, id of the first line that was changed, put in or follows a removed one, or None)."""
    previous, n_good = GENESIS, 0
    for entry in iter_entries(session):
        if entry.previous_hash != previous or entry_hash(entry) != entry.hash:
            return n_good, entry.id
        previous, n_good = entry.hash, n_good + 1
    return n_good, None

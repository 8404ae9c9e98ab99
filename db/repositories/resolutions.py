"""What people resolved, numbered without gaps in the order in which it became known."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from db.models.review import GroundTruth
from db.models.review_policy import Resolution

#: How people resolve an item; labels that came from outside are told to nobody.
BY_PEOPLE = ("consensus", "adjudication")
#: Any number; it only has to be the same in every process that numbers.
_POSTGRES_LOCK = 7_301_447_122


def add_resolution(session: Session, truth: GroundTruth, label: str | None, logged_at: datetime) -> None:
    """Written in the transaction of the truth it tells of; `label` null: the resolution was taken back."""
    row = Resolution(
        model_id=truth.model_id,
        subject_id=truth.subject_id,
        truth_id=truth.id,
        label=label,
        method=truth.method,
        resolved_at=truth.resolved_at,
        logged_at=logged_at,
    )
    session.add(row)
    session.flush()


def has_unnumbered(session: Session) -> bool:
    """Whether any waits for its number; asked often, and it reads an index that is mostly empty."""
    return session.scalars(select(Resolution.id).where(Resolution.number.is_(None)).limit(1)).first() is not None


def number_next(session: Session, limit: int) -> list[Resolution]:
    """Give numbers to committed rows, oldest first. One worker at a time: the others wait until its commit, so nobody
    who reads on from a number can miss a smaller one."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRES_LOCK})
    query = select(Resolution).where(Resolution.number.is_(None)).order_by(Resolution.id).limit(limit)
    rows = list(session.scalars(query))
    highest = session.scalar(select(func.max(Resolution.number))) or 0
    for number, row in enumerate(rows, start=highest + 1):
        row.number = number
    session.flush()
    return rows


def list_resolutions(session: Session, model_id: str, *, after: int = 0, limit: int = 100) -> list[Resolution]:
    """Numbered resolutions of a model after a number, in their order."""
    query = select(Resolution).where(Resolution.model_id == model_id, Resolution.number > after)
    return list(session.scalars(query.order_by(Resolution.number).limit(limit)))

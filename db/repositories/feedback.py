"""Feedback rows: stored once per key, joined to their predictions later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models.signal import Feedback

#: Fewer values than SQLite takes in one statement.
_SLICE = 500


def add_feedback(session: Session, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Store rows whose key is new for their model; the keys of those that were stored."""
    maker = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    stored: set[str] = set()
    for place in range(0, len(rows), _SLICE):
        statement = maker(Feedback).on_conflict_do_nothing(index_elements=["model_id", "key"])
        stored.update(session.scalars(statement.returning(Feedback.key), rows[place : place + _SLICE]))
    return stored


def find_by_keys(session: Session, model_id: str, keys: Sequence[str]) -> dict[str, Feedback]:
    """The stored rows with these keys."""
    found: dict[str, Feedback] = {}
    for place in range(0, len(keys), _SLICE):
        query = select(Feedback).where(Feedback.model_id == model_id, Feedback.key.in_(keys[place : place + _SLICE]))
        found.update({row.key: row for row in session.scalars(query)})
    return found


def list_feedback(session: Session, model_id: str, prediction_id: str, *, limit: int) -> list[Feedback]:
    """What was told about a prediction, oldest first."""
    query = select(Feedback).where(Feedback.model_id == model_id, Feedback.prediction_id == prediction_id)
    return list(session.scalars(query.order_by(Feedback.happened_at, Feedback.id).limit(limit)))


def waiting(session: Session, now: datetime, *, limit: int) -> list[Feedback]:
    """Rows without their prediction that it is time to look for, in the order in which they are due."""
    query = select(Feedback).where(Feedback.predicted_at.is_(None), Feedback.next_try_at <= now)
    return list(session.scalars(query.order_by(Feedback.next_try_at, Feedback.id).limit(limit)))


def still_waiting(session: Session, ids: Sequence[int]) -> list[Feedback]:
    """Those of some rows that nobody joined meanwhile, in the order in which they came."""
    query = select(Feedback).where(Feedback.id.in_(ids), Feedback.predicted_at.is_(None))
    return list(session.scalars(query.order_by(Feedback.id).with_for_update()))


def counted_signals(session: Session, model_id: str, prediction_ids: Sequence[str]) -> set[tuple[str, str]]:
    """(prediction, signal) pairs that are in the roll-ups already."""
    query = select(Feedback.prediction_id, Feedback.name).where(
        Feedback.model_id == model_id, Feedback.prediction_id.in_(prediction_ids), Feedback.is_counted.is_(True)
    )
    return {(row[0], row[1]) for row in session.execute(query)}


def counted_between(session: Session, model_id: str, start: datetime, end: datetime) -> list[Feedback]:
    """The counted signals about predictions of [start, end)."""
    query = select(Feedback).where(
        Feedback.model_id == model_id,
        Feedback.predicted_at >= start,
        Feedback.predicted_at < end,
        Feedback.is_counted.is_(True),
    )
    return list(session.scalars(query))


def postpone(session: Session, next_tries: Mapping[int, datetime]) -> None:
    """Look for the predictions of some rows again later."""
    for row_id, at in next_tries.items():
        session.execute(
            update(Feedback).where(Feedback.id == row_id).values(next_try_at=at, n_tries=Feedback.n_tries + 1),
            execution_options={"synchronize_session": False},
        )


def count_waiting(session: Session, model_id: str) -> int:
    """Signals whose prediction has not come."""
    query = select(func.count()).where(Feedback.model_id == model_id, Feedback.predicted_at.is_(None))
    return session.scalar(query) or 0

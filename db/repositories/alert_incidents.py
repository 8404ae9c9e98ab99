"""Incidents: opened and closed by the evaluation, acknowledged and judged by people."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, case, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models.alert import AlertIncident


class Judged(NamedTuple):
    """How many incidents of a rule people found true, false and benign, and how many there were."""

    n_true: int
    n_false: int
    n_benign: int
    n_incidents: int


def _worst_first() -> list[ColumnElement[Any]]:
    return [case({"alert": 0, "warning": 1}, value=AlertIncident.state, else_=2)]


def list_incidents(
    session: Session,
    *,
    is_open: bool | None = None,
    rule_id: str | None = None,
    model_ids: Collection[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    before: tuple[datetime, str] | None = None,
    limit: int = 100,
) -> list[AlertIncident]:
    """Incidents, newest first. `start` and `end`: those that were open at some moment of [start, end)."""
    query = select(AlertIncident).order_by(AlertIncident.opened_at.desc(), AlertIncident.id.desc()).limit(limit)
    if is_open is not None:
        query = query.where(AlertIncident.closed_at.is_(None) if is_open else AlertIncident.closed_at.is_not(None))
    if rule_id is not None:
        query = query.where(AlertIncident.rule_id == rule_id)
    if model_ids is not None:
        query = query.where(AlertIncident.model_id.in_(list(model_ids)))
    if start is not None:
        query = query.where(or_(AlertIncident.closed_at.is_(None), AlertIncident.closed_at >= start))
    if end is not None:
        query = query.where(AlertIncident.opened_at < end)
    if before is not None:
        at, incident_id = before
        same = (AlertIncident.opened_at == at) & (AlertIncident.id < incident_id)
        query = query.where(or_(AlertIncident.opened_at < at, same))
    return list(session.scalars(query))


def open_incidents(session: Session, *, limit: int = 5000) -> list[AlertIncident]:
    """What fires now, worst first, then longest."""
    query = select(AlertIncident).where(AlertIncident.closed_at.is_(None))
    return list(session.scalars(query.order_by(*_worst_first(), AlertIncident.opened_at).limit(limit)))


def get_incident(session: Session, incident_id: str) -> AlertIncident | None:
    return session.get(AlertIncident, incident_id)


def lock_incident(session: Session, incident_id: str) -> AlertIncident | None:
    """The incident as it is now, held until commit."""
    query = select(AlertIncident).where(AlertIncident.id == incident_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def add_incidents(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """New incidents; one that exists already (a run that was written before) is left as it is."""
    if not rows:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(AlertIncident).on_conflict_do_nothing(), list(rows))


def update_incidents(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Overwrite the given columns of incidents, found by their `id`. All rows have the same columns."""
    if rows:
        session.execute(update(AlertIncident), list(rows))


def close_incidents(session: Session, rule_id: str, now: datetime, reason: str) -> None:
    """End everything that a rule has open, because the rule itself changed or went away."""
    session.execute(
        update(AlertIncident)
        .where(AlertIncident.rule_id == rule_id, AlertIncident.closed_at.is_(None))
        .values(closed_at=now, end_reason=reason)
    )


def count_verdicts(session: Session, rule_ids: Collection[str] | None = None) -> dict[str, Judged]:
    """What people said of each rule's incidents."""

    def n(verdict: str) -> ColumnElement[int]:
        return func.sum(case((AlertIncident.verdict == verdict, 1), else_=0))

    query = select(AlertIncident.rule_id, n("true"), n("false"), n("benign"), func.count()).where(
        AlertIncident.kind == "rule"
    )
    if rule_ids is not None:
        query = query.where(AlertIncident.rule_id.in_(list(rule_ids)))
    rows = session.execute(query.group_by(AlertIncident.rule_id))
    return {row[0]: Judged(*(int(value or 0) for value in row[1:])) for row in rows}

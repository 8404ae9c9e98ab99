"""Policies, verdicts, blocks and recalls of the automation ladder: rows are added, and only blocks end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import delete, func, select
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from db.models.automation import AutomationBlock, AutomationPolicy, AutomationVerdict, Recall

Row = TypeVar("Row", AutomationPolicy, AutomationVerdict, AutomationBlock, Recall)


def policies_in_force(session: Session, model_id: str | None = None) -> list[AutomationPolicy]:
    """The newest policy of every model (or of one) and segment, those that were taken away left out."""
    newest = select(func.max(AutomationPolicy.id)).group_by(AutomationPolicy.model_id, AutomationPolicy.segment)
    query = select(AutomationPolicy).where(AutomationPolicy.id.in_(newest)).order_by(AutomationPolicy.id)
    if model_id is not None:
        query = query.where(AutomationPolicy.model_id == model_id)
    return [row for row in session.scalars(query) if row.document is not None]


def policy_in_force(session: Session, model_id: str, segment: str) -> AutomationPolicy | None:
    """The newest policy of a model and segment; None before the first and after one that took it away."""
    query = (
        select(AutomationPolicy)
        .where(AutomationPolicy.model_id == model_id, AutomationPolicy.segment == segment)
        .order_by(AutomationPolicy.id.desc())
        .limit(1)
    )
    row = session.scalars(query).first()
    return row if row is not None and row.document is not None else None


def list_policies(session: Session, model_id: str, segment: str | None, *, limit: int) -> list[AutomationPolicy]:
    """All versions, newest first."""
    query = select(AutomationPolicy).where(AutomationPolicy.model_id == model_id)
    if segment is not None:
        query = query.where(AutomationPolicy.segment == segment)
    return list(session.scalars(query.order_by(AutomationPolicy.id.desc()).limit(limit)))


def add(session: Session, row: Row) -> Row:
    """Store a policy, verdict, block or recall; it has its id afterwards."""
    session.add(row)
    session.flush()
    return row


def get_verdict(session: Session, model_id: str, verdict_id: int) -> AutomationVerdict | None:
    query = select(AutomationVerdict).where(AutomationVerdict.model_id == model_id, AutomationVerdict.id == verdict_id)
    return session.scalars(query).one_or_none()


def last_verdict(session: Session, model_id: str, segment: str) -> AutomationVerdict | None:
    found = list_verdicts(session, model_id, segment, limit=1)
    return found[0] if found else None


def list_verdicts(
    session: Session, model_id: str, segment: str | None, *, limit: int, before_id: int | None = None
) -> Sequence[AutomationVerdict]:
    """Verdicts, newest first."""
    query = select(AutomationVerdict).where(AutomationVerdict.model_id == model_id)
    if segment is not None:
        query = query.where(AutomationVerdict.segment == segment)
    if before_id is not None:
        query = query.where(AutomationVerdict.id < before_id)
    return list(session.scalars(query.order_by(AutomationVerdict.id.desc()).limit(limit)))


def remove_old_verdicts(session: Session, before: datetime, portion: int) -> int:
    """Forget verdicts older than this that changed no rollout, a portion at a time."""
    old = (
        select(AutomationVerdict.id)
        .where(AutomationVerdict.decided_at < before, AutomationVerdict.rollout_id.is_(None))
        .limit(portion)
    )
    answer = session.execute(
        delete(AutomationVerdict).where(AutomationVerdict.id.in_(old)),
        execution_options={"synchronize_session": False},
    )
    assert isinstance(answer, CursorResult)
    return int(answer.rowcount)


def open_block(session: Session, model_id: str, segment: str, at: datetime | None = None) -> AutomationBlock | None:
    """The block in force now, or at a past moment: of the segment itself, or of the whole model."""
    query = select(AutomationBlock).where(
        AutomationBlock.model_id == model_id, AutomationBlock.segment.in_({segment, ""})
    )
    if at is None:
        query = query.where(AutomationBlock.ended_at.is_(None))
    else:
        is_open = AutomationBlock.ended_at.is_(None) | (AutomationBlock.ended_at > at)
        query = query.where(AutomationBlock.created_at <= at, is_open)
    return session.scalars(query.order_by(AutomationBlock.id.desc()).limit(1)).first()


def list_blocks(session: Session, model_id: str, *, limit: int) -> list[AutomationBlock]:
    """Blocks, newest first."""
    query = select(AutomationBlock).where(AutomationBlock.model_id == model_id)
    return list(session.scalars(query.order_by(AutomationBlock.id.desc()).limit(limit)))


def list_recalls(session: Session, model_id: str, *, limit: int) -> list[Recall]:
    """Recalls, newest first."""
    return list(
        session.scalars(select(Recall).where(Recall.model_id == model_id).order_by(Recall.id.desc()).limit(limit))
    )

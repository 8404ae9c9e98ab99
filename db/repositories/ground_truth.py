"""Resolved labels: a correction is a new row, and at most one row per subject is current."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.base import utc_now
from db.models.review import GroundTruth, Subject
from db.repositories import resolutions


def current_truths(session: Session, model_id: str, subject_ids: Collection[str]) -> dict[str, GroundTruth]:
    """The truth in force of each of these subjects that has one."""
    query = select(GroundTruth).where(
        GroundTruth.model_id == model_id,
        GroundTruth.subject_id.in_(list(subject_ids)),
        GroundTruth.is_current,  # bare: "IS 1" does not match the partial index on SQLite, which then reads them all
    )
    return {row.subject_id: row for row in session.scalars(query)}


def newest_with_inputs(session: Session, model_id: str, limit: int) -> list[tuple[str, str, dict[str, Any]]]:
    """(subject, label, inputs) of the newest truths in force whose subject has inputs, newest first."""
    newest = (
        select(GroundTruth.subject_id, GroundTruth.label, GroundTruth.resolved_at)
        .where(GroundTruth.model_id == model_id, GroundTruth.is_current.is_(True))
        .order_by(GroundTruth.resolved_at.desc())
        .limit(limit)
        .subquery()
    )
    query = (
        select(newest.c.subject_id, newest.c.label, Subject.details)
        .join(Subject, (Subject.model_id == model_id) & (Subject.subject_id == newest.c.subject_id))
        .order_by(newest.c.resolved_at.desc(), newest.c.subject_id)
    )
    rows = ((row[0], row[1], (row[2] or {}).get("inputs")) for row in session.execute(query))
    return [(subject_id, label, inputs) for subject_id, label, inputs in rows if inputs]


def put_truth(
    session: Session,
    *,
    model_id: str,
    subject_id: str,
    label: str,
    method: str,
    resolved_by: str,
    resolved_at: datetime,
    details: dict[str, Any] | None = None,
) -> GroundTruth:
    """A new truth in force; the one before stays as history. The caller holds the subject's lock."""
    now = utc_now()
    before = current_truths(session, model_id, [subject_id]).get(subject_id)
    if before is not None:
        _end(session, before.id, now)
    truth = GroundTruth(
        logged_at=now,
        model_id=model_id,
        subject_id=subject_id,
        label=label,
        method=method,
        resolved_by=resolved_by,
        resolved_at=resolved_at,
        details={**(details or {}), **({"replaces": before.id} if before is not None else {})},
    )
    session.add(truth)
    session.flush()
    if method in resolutions.BY_PEOPLE:
        resolutions.add_resolution(session, truth, label, now)
    return truth


def withdraw_truth(session: Session, truth: GroundTruth) -> None:
    """Take a truth out of force; what it had replaced is in force again, as a row that says since when."""
    now = utc_now()
    _end(session, truth.id, now, is_withdrawn=True)
    replaced = session.get(GroundTruth, truth.details.get("replaces") or "")
    if truth.method in resolutions.BY_PEOPLE:
        resolutions.add_resolution(session, truth, replaced.label if replaced is not None else None, now)
    session.expire(truth)
    if replaced is not None:
        copied = ("model_id", "subject_id", "label", "method", "resolved_by", "details", "resolved_at")
        session.add(GroundTruth(logged_at=now, **{name: getattr(replaced, name) for name in copied}))
        session.flush()


def _end(session: Session, truth_id: str, at: datetime, *, is_withdrawn: bool = False) -> None:
    values = {"is_current": False, "ended_at": at, "is_withdrawn": is_withdrawn}
    session.execute(update(GroundTruth).where(GroundTruth.id == truth_id).values(**values))


def list_truths(
    session: Session,
    model_id: str,
    *,
    subject_id: str | None = None,
    method: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    with_history: bool = False,
    after_id: str | None = None,
    limit: int = 100,
) -> list[GroundTruth]:
    """Truths ordered by id; history too where asked for."""
    query = select(GroundTruth).where(GroundTruth.model_id == model_id).order_by(GroundTruth.id).limit(limit)
    if subject_id is not None:
        query = query.where(GroundTruth.subject_id == subject_id)
    if method is not None:
        query = query.where(GroundTruth.method == method)
    if start is not None:
        query = query.where(GroundTruth.resolved_at >= start)
    if end is not None:
        query = query.where(GroundTruth.resolved_at < end)
    if not with_history:
        query = query.where(GroundTruth.is_current.is_(True))
    if after_id is not None:
        query = query.where(GroundTruth.id > after_id)
    return list(session.scalars(query))


def known_subjects(session: Session, model_id: str) -> set[str]:
    """Every subject that has a resolved label now."""
    query = select(GroundTruth.subject_id).where(GroundTruth.model_id == model_id, GroundTruth.is_current.is_(True))
    return set(session.scalars(query))

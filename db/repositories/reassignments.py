"""Items of a person given to others, and given back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from db.models.review import Decision, GroundTruth, ReviewTask
from db.models.review_policy import Reassignment
from db.repositories import subjects

#: Items of one reassignment, newest first.
MAX_ITEMS = 2_000
WHY_NOT = "its author agreed too seldom on known items: others look at it again"


class Answered(NamedTuple):
    """One answer of a person and its task."""

    decision_id: str
    task_id: str
    subject_id: str


def answered_by(session: Session, model_id: str, judge: str, start: datetime, end: datetime) -> list[Answered]:
    """What a person answered in [start, end) that stands and that nobody else settled."""
    settled = (
        select(GroundTruth.id)
        .where(
            GroundTruth.model_id == Decision.model_id,
            GroundTruth.subject_id == Decision.subject_id,
            GroundTruth.is_current.is_(True),
        )
        .exists()
    )
    query = (
        select(Decision.id, Decision.task_id, Decision.subject_id)
        .join(ReviewTask, ReviewTask.id == Decision.task_id)
        .where(
            Decision.model_id == model_id,
            Decision.judge == judge,
            Decision.decided_at >= start,
            Decision.decided_at < end,
            Decision.verb != "skip",
            Decision.superseded_by.is_(None),
            Decision.is_adjudication.is_(False),
            Decision.is_planted.is_(False),
            ReviewTask.mode != "adjudicate",
            ~settled,
        )
        .order_by(Decision.decided_at.desc(), Decision.id.desc())
        .limit(MAX_ITEMS)
    )
    return [Answered(row.id, row.task_id, row.subject_id) for row in session.execute(query)]


def give_to_others(session: Session, model_id: str, answers: Sequence[Answered]) -> list[dict[str, Any]]:
    """Ask one more person about each item; the labels are no evidence meanwhile. What was changed, to take it back."""
    subjects.lock_subjects(session, model_id, [one.subject_id for one in answers])
    tasks = _tasks(session, [one.task_id for one in answers])
    rows = _decisions(session, [one.decision_id for one in answers])
    by_task: dict[str, list[str]] = {}
    for one in answers:
        row = rows[one.decision_id]
        if row.is_evidence:
            row.is_evidence = False
            row.details = {**row.details, "not_evidence": WHY_NOT, "was_evidence": True}
        by_task.setdefault(one.task_id, []).append(one.decision_id)
    for task_id in by_task:
        task = tasks[task_id]
        task.n_wanted += 1
        task.state, task.closed_at = "open", None
    session.flush()
    return [{"task_id": task_id, "decision_ids": ids} for task_id, ids in by_task.items()]


def give_back(session: Session, row: Reassignment, now: datetime) -> int:
    """Items that nobody answered meanwhile are asked of nobody else, and the labels are what they were; how many items
    were still waiting."""
    ids = [one["task_id"] for one in row.items]
    names = session.scalars(select(ReviewTask.subject_id).where(ReviewTask.id.in_(ids)))
    subjects.lock_subjects(session, row.model_id, list(names))
    n_waiting = 0
    for task in _tasks(session, ids).values():
        if task.n_decided < task.n_wanted and task.n_wanted > 1:
            task.n_wanted -= 1
            n_waiting += 1
        if task.state == "open" and task.n_decided >= task.n_wanted:
            task.state, task.closed_at = "done", now
            task.lease_token = task.leased_to = task.lease_until = None
    for decision in _decisions(session, [one for item in row.items for one in item["decision_ids"]]).values():
        if decision.details.get("was_evidence"):
            kept = {name: value for name, value in decision.details.items() if name != "was_evidence"}
            decision.details = {name: value for name, value in kept.items() if name != "not_evidence"}
            decision.is_evidence = True
    session.flush()
    return n_waiting


def _tasks(session: Session, ids: Sequence[str]) -> dict[str, ReviewTask]:
    query = select(ReviewTask).where(ReviewTask.id.in_(list(ids))).order_by(ReviewTask.id).with_for_update()
    return {row.id: row for row in session.scalars(query.execution_options(populate_existing=True))}


def _decisions(session: Session, ids: Sequence[str]) -> dict[str, Decision]:
    return {row.id: row for row in session.scalars(select(Decision).where(Decision.id.in_(list(ids))))}


def lock_people(session: Session, model_id: str) -> None:
    """Keep other workers from looking at the same people until commit. Not the model's row: whoever answers an item
    holds its subject and then needs that row, and here it is the other way round."""
    if session.get_bind().dialect.name == "postgresql":
        digest = hashlib.blake2b(f"people:{model_id}".encode(), digest_size=8).digest()
        key = int.from_bytes(digest, "big", signed=True)
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def add_reassignment(session: Session, row: Reassignment) -> Reassignment:
    session.add(row)
    session.flush()
    return row


def lock_reassignment(session: Session, reassignment_id: str) -> Reassignment | None:
    """The reassignment as it is now, held until commit."""
    query = select(Reassignment).where(Reassignment.id == reassignment_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def list_reassignments(session: Session, model_id: str, *, limit: int = 100) -> list[Reassignment]:
    """Reassignments, newest first; ids are ordered by time."""
    query = select(Reassignment).where(Reassignment.model_id == model_id)
    return list(session.scalars(query.order_by(Reassignment.id.desc()).limit(limit)))


def last_ends(session: Session, model_id: str) -> dict[str, datetime]:
    """Per person the end of the last window that led to a reassignment: checks before it count no more."""
    query = select(Reassignment.judge, func.max(Reassignment.window_end)).where(Reassignment.model_id == model_id)
    return {row[0]: row[1] for row in session.execute(query.group_by(Reassignment.judge))}

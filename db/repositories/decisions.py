"""Decisions of people and outside predictors: stored once, superseded but never deleted."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import bindparam, case, func, or_, select, update
from sqlalchemy.orm import Session

from db.base import utc_now
from db.models.review import Decision, GroundTruth
from review.rules.queue import UNDO_DEPTH, UNDONE


def find_by_key(session: Session, idempotency_key: str) -> Decision | None:
    return session.scalars(select(Decision).where(Decision.idempotency_key == idempotency_key)).one_or_none()


def find_by_keys(session: Session, keys: Collection[str]) -> dict[str, Decision]:
    """The decisions already stored under these idempotency keys."""
    rows = session.scalars(select(Decision).where(Decision.idempotency_key.in_(list(keys))))
    return {row.idempotency_key: row for row in rows if row.idempotency_key is not None}


def list_decisions(
    session: Session,
    model_id: str,
    *,
    subject_id: str | None = None,
    judge: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    with_superseded: bool = False,
    with_planted: bool = False,
    after_id: str | None = None,
    limit: int = 100,
) -> list[Decision]:
    """Decisions ordered by id (the order in which they were stored)."""
    query = select(Decision).where(Decision.model_id == model_id).order_by(Decision.id).limit(limit)
    if subject_id is not None:
        query = query.where(Decision.subject_id == subject_id)
    if judge is not None:
        query = query.where(Decision.judge == judge)
    if start is not None:
        query = query.where(Decision.decided_at >= start)
    if end is not None:
        query = query.where(Decision.decided_at < end)
    if not with_superseded:
        query = query.where(Decision.superseded_by.is_(None))
    if not with_planted:
        query = query.where(Decision.is_planted.is_(False))
    if after_id is not None:
        query = query.where(Decision.id > after_id)
    return list(session.scalars(query))


_DECIDED = (
    select(Decision.subject_id)
    .where(Decision.model_id == bindparam("model_id"), Decision.subject_id.in_(bindparam("wanted", expanding=True)))
    .distinct()
)


def decided_among(session: Session, model_id: str, subject_ids: Collection[str]) -> set[str]:
    """Those of these subjects that somebody said anything about."""
    if not subject_ids:
        return set()
    return set(session.scalars(_DECIDED, {"model_id": model_id, "wanted": list(subject_ids)}))


def opinions_in_force(session: Session, model_id: str, subject_ids: Collection[str]) -> dict[str, list[Decision]]:
    """Each judge's latest opinion per subject: no adjudications, no skips, no planted items. Who kept a blind answer
    after the machine's was shown has still given it blind."""
    query = (
        select(Decision)
        .where(
            Decision.model_id == model_id,
            Decision.subject_id.in_(list(subject_ids)),
            Decision.superseded_by.is_(None),
            Decision.is_adjudication.is_(False),
            Decision.is_planted.is_(False),
            Decision.verb != "skip",
        )
        .order_by(Decision.decided_at, Decision.id)
    )
    latest: dict[str, dict[str, Decision]] = {}
    for row in session.scalars(query):
        mine = latest.setdefault(row.subject_id, {})
        if not _is_kept(mine.get(row.judge), row):
            mine[row.judge] = row
    return {subject_id: list(by_judge.values()) for subject_id, by_judge in latest.items()}


def _is_kept(before: Decision | None, row: Decision) -> bool:
    if before is None or row.seen != "revealed" or before.task_id != row.task_id:
        return False
    return (before.verb, before.label) == (row.verb, row.label)


def own_on_task(session: Session, task_id: str, judge: str) -> list[Decision]:
    """What a judge said about a task so far and still says, or took back and did not answer again."""
    query = select(Decision).where(Decision.task_id == task_id, Decision.judge == judge).order_by(Decision.id)
    return [row for row in session.scalars(query) if row.superseded_by in (None, UNDONE)]


def n_skips(session: Session, task_id: str) -> int:
    """How many people skipped this one task."""
    query = select(func.count(func.distinct(Decision.judge))).where(
        Decision.task_id == task_id, Decision.verb == "skip", Decision.superseded_by.is_(None)
    )
    return session.scalars(query).one()


def last_undoable(session: Session, judge: str, model_id: str | None, key: str | None = None) -> Decision | None:
    """The newest decision that a person may take back, or the one with this idempotency key (which may be taken back
    already): among the last ten of their own at the queue. Answers to identical rows go with the one they came with."""
    query = (
        select(Decision)
        .where(
            Decision.judge == judge,
            Decision.task_id.is_not(None),
            or_(Decision.superseded_by.is_(None), Decision.superseded_by == UNDONE),
            Decision.details["alike_of"].as_string().is_(None),
        )
        .order_by(Decision.decided_at.desc(), Decision.id.desc())
        .limit(UNDO_DEPTH)
    )
    if model_id is not None:
        query = query.where(Decision.model_id == model_id)
    rows = session.scalars(query)
    if key is not None:
        return next((row for row in rows if row.idempotency_key == key), None)
    return next((row for row in rows if row.superseded_by is None), None)


def given_alike(session: Session, first: Decision) -> list[Decision]:
    """The answers in force that were given along with this one to identical rows, in the order of their subjects."""
    query = select(Decision).where(
        Decision.judge == first.judge,
        Decision.decided_at == first.decided_at,
        Decision.model_id == first.model_id,
        Decision.superseded_by.is_(None),
        Decision.details["alike_of"].as_string() == first.id,
    )
    return list(session.scalars(query.order_by(Decision.subject_id)))


def count_since(session: Session, judge: str, model_id: str, start: datetime) -> int:
    """How many items a judge answered since a moment; a second look after the machine's answer is no second item."""
    query = select(func.count()).where(
        Decision.judge == judge,
        Decision.decided_at >= start,
        Decision.model_id == model_id,
        Decision.superseded_by.is_(None),
        Decision.verb != "skip",
        Decision.seen != "revealed",
    )
    return session.scalars(query).one()


def agreement_since(session: Session, judge: str, model_id: str, start: datetime) -> tuple[int, int]:
    """(how many answers agree with the label in force, of how many that have one) among a judge's own first answers."""
    query = (
        select(func.count(), func.coalesce(func.sum(case((Decision.label == GroundTruth.label, 1), else_=0)), 0))
        .join(
            GroundTruth,
            (GroundTruth.model_id == Decision.model_id)
            & (GroundTruth.subject_id == Decision.subject_id)
            & GroundTruth.is_current.is_(True),
        )
        .where(
            Decision.judge == judge,
            Decision.decided_at >= start,
            Decision.model_id == model_id,
            Decision.superseded_by.is_(None),
            Decision.verb == "label",
            Decision.seen != "revealed",
            Decision.is_adjudication.is_(False),
        )
    )
    n, n_right = session.execute(query).one()
    return int(n_right), int(n)


def supersede(session: Session, decision_ids: Collection[str], by: str) -> None:
    """Mark decisions as replaced by another one (or as undone)."""
    if decision_ids:
        values = {"superseded_by": by, "superseded_at": func.coalesce(Decision.superseded_at, utc_now())}
        session.execute(update(Decision).where(Decision.id.in_(list(decision_ids))).values(**values))


def raise_pi(session: Session, task_id: str, pi: float) -> None:
    """A later answer put the item into a stratum with a larger inclusion probability; its labels follow."""
    session.execute(update(Decision).where(Decision.task_id == task_id, Decision.pi < pi).values(pi=pi))

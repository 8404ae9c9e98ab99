"""Decisions of people and predictors elsewhere: checked one by one, stored together, then settled per subject."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.decisions.schemas import DecisionIn, DecisionResult, DecisionsStored
from db.base import new_id
from db.models.model import Model
from db.models.review import Decision
from db.repositories import decisions, subjects
from db.repositories.resolution import resolve_subjects

#: A clock elsewhere may be this far ahead of ours.
MAX_AHEAD = timedelta(hours=1)


def store(
    session: Session, me: Principal, model: Model, sent: Sequence[DecisionIn], *, now: datetime
) -> DecisionsStored:
    """Store what is new and right; a subject that nobody has heard of is kept and joined when its prediction comes."""
    subjects.lock_subjects(session, model.id, [one.subject_id for one in sent])
    keys = {_key(me, one) for one in sent} - {None}
    before = decisions.find_by_keys(session, [key for key in keys if key is not None])
    known = subjects.find_subjects(session, model.id, {one.subject_id for one in sent})
    results: list[DecisionResult] = []
    touched: set[str] = set()
    for index, one in enumerate(sent):
        result = _refused(index, model, one, now) or _repeated(index, before.get(_key(me, one) or ""), one)
        if result is None:
            row = _row(me, model, one, now)
            session.add(row)
            if row.idempotency_key is not None:
                before[row.idempotency_key] = row
            touched |= {one.subject_id} if one.verb != "skip" and one.judge.startswith("person:") else set()
            result = _stored(index, row, one.subject_id in known)
        results.append(result)
    session.flush()
    resolve_subjects(session, model.id, touched, now)
    count = {status: sum(one.status == status for one in results) for status in ("stored", "duplicate", "refused")}
    return DecisionsStored(
        n_stored=count["stored"], n_duplicates=count["duplicate"], n_refused=count["refused"], results=results
    )


def _key(me: Principal, one: DecisionIn) -> str | None:
    return f"{me.actor}:{one.idempotency_key}" if one.idempotency_key is not None else None


def _refused(index: int, model: Model, one: DecisionIn, now: datetime) -> DecisionResult | None:
    problem = _problem(model, one, now)
    if problem is None:
        return None
    return DecisionResult(index=index, status="refused", code=problem[0], message=problem[1])


def _problem(model: Model, one: DecisionIn, now: datetime) -> tuple[str, str] | None:
    if one.decided_at is not None and one.decided_at > now + MAX_AHEAD:
        return "in_the_future", "decided_at lies in the future"
    if one.skip_reason is not None and one.verb != "skip":
        return "reason_not_expected", f"{one.verb} has no reason"
    if one.verb != "label":
        return ("label_not_expected", f"{one.verb} carries no label") if one.label is not None else None
    if one.label is None:
        return "label_missing", "a label is missing"
    names = [str(label["name"]) for label in model.labels]
    if names and one.label not in names:
        return "unknown_label", f"{one.label!r} is not one of the labels: {', '.join(names)}"
    return None


def _repeated(index: int, before: Decision | None, one: DecisionIn) -> DecisionResult | None:
    if before is None:
        return None
    same = (before.subject_id, before.judge, before.label, before.verb) == (
        one.subject_id,
        one.judge,
        one.label,
        one.verb,
    )
    if not same:
        message = "this idempotency key belongs to another decision"
        return DecisionResult(index=index, status="refused", code="idempotency_conflict", message=message)
    return DecisionResult(index=index, status="duplicate", id=before.id, is_evidence=before.is_evidence)


def _row(me: Principal, model: Model, one: DecisionIn, now: datetime) -> Decision:
    why_not = _why_no_evidence(one)
    details: dict[str, Any] = {"given": one.details, "sent_by": me.actor}
    if why_not is not None:
        details["not_evidence"] = why_not
    return Decision(
        id=new_id(),
        model_id=model.id,
        subject_id=one.subject_id,
        event_id=one.event_id,
        judge=one.judge,
        label=one.label,
        verb=one.verb,
        seen=one.seen,
        is_adjudication=False,
        duration_ms=one.duration_ms,
        pi=one.pi,
        is_evidence=why_not is None,
        comment=one.comment,
        skip_reason=one.skip_reason,
        details=details,
        idempotency_key=_key(me, one),
        decided_at=one.decided_at or now,
        logged_at=now,
    )


def _why_no_evidence(one: DecisionIn) -> str | None:
    if not one.pi:
        return "no inclusion probability was given: a picked item says nothing about the others"
    if one.verb == "skip":
        return "the item was skipped"
    if one.seen != "blind":
        return "the machine's answer had been seen"
    return None


def _stored(index: int, row: Decision, is_known: bool) -> DecisionResult:
    return DecisionResult(
        index=index,
        status="stored",
        id=row.id,
        is_evidence=row.is_evidence,
        why_not_evidence=row.details.get("not_evidence"),
        is_subject_known=is_known,
    )

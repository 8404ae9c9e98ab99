"""Gives items of a person who agrees too seldom on known items to others, and takes that back when told so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Conflict, NotFound
from backend.reassignments.schemas import ReassignmentOut
from db.engine import WriteSession
from db.models.model import Model
from db.models.review import ReviewTask
from db.models.review_policy import Reassignment
from db.repositories import audit, channels, models, outbox, planted_items, reassignments, users
from db.repositories.planted_items import Checks
from review.rules.queue import is_too_low
from review.rules.sampling import ReviewPolicy

_GIVE_UP = timedelta(days=1)


def find_too_low(session: Session, model: Model, policy: ReviewPolicy, now: datetime) -> dict[str, Checks]:
    """People under the limit, with their checks since they were last found so."""
    if policy.min_agreement is None:
        return {}
    start = now - timedelta(days=policy.agreement_days)
    found = planted_items.checks_by_judge(session, model.id, start, now)
    for judge, end in reassignments.last_ends(session, model.id).items():
        if judge in found and end > start:
            since = planted_items.checks_by_judge(session, model.id, end, now)
            found[judge] = since.get(judge, Checks(0, 0))
    limit, least = policy.min_agreement, policy.min_checks
    return {judge: one for judge, one in found.items() if is_too_low(one.n, one.n_agreed, limit, least)}


def reassign(
    session: WriteSession, model: Model, policy: ReviewPolicy, judge: str, now: datetime
) -> Reassignment | None:
    """Give a person's items to others, with a notice and an audit entry; None when they are not under the limit (any
    more: another worker may have been here)."""
    reassignments.lock_people(session, model.id)
    checks = find_too_low(session, model, policy, now).get(judge)
    if checks is None:
        return None
    start = now - timedelta(days=policy.agreement_days)
    answers = reassignments.answered_by(session, model.id, judge, start, now)
    row = Reassignment(
        model_id=model.id,
        judge=judge,
        window_start=start,
        window_end=now,
        n_checks=checks.n,
        n_agreed=checks.n_agreed,
        min_agreement=policy.min_agreement,
        policy_id=policy.id,
        items=reassignments.give_to_others(session, model.id, answers),
        created_at=now,
    )
    reassignments.add_reassignment(session, row)
    _tell(session, model, row, now)
    details = {"judge": row.judge, "n_items": len(row.items), "n_checks": row.n_checks, "n_agreed": row.n_agreed}
    audit.record(session, "worker", "review.reassigned", f"model:{model.name}", details)
    return row


def _tell(session: Session, model: Model, row: Reassignment, now: datetime) -> None:
    """One message to each channel that tells of this model."""
    judge = row.judge.removeprefix("user:")
    payload = {
        "model": model.name,
        "reassignment_id": row.id,
        "person": users.names_of(session, [judge]).get(judge, row.judge),
        "n_items": len(row.items),
        "n_checks": row.n_checks,
        "n_agreed": row.n_agreed,
        "min_agreement": row.min_agreement,
    }
    told = [
        one for one in channels.list_channels(session, only_enabled=True) if model.name in (one.models or [model.name])
    ]
    messages = [
        {
            "dedupe_key": f"reassigned:{row.id}:{one.id}",
            "kind": "reassigned",
            "channel_id": one.id,
            "model_name": model.name,
            "payload": payload,
            "next_at": now,
            "give_up_at": now + _GIVE_UP,
        }
        for one in told
    ]
    outbox.add_messages(session, messages)


def take_back(session: WriteSession, me: Principal, reassignment_id: str, now: datetime) -> ReassignmentOut:
    """Reverse a reassignment; answers that others gave meanwhile stay."""
    row = reassignments.lock_reassignment(session, reassignment_id)
    model = models.get_model(session, row.model_id) if row is not None else None
    if row is None or model is None or not me.may_use_model(model.name):
        raise NotFound("there is no such reassignment")
    if row.reversed_at is not None:
        raise Conflict("this was taken back already", code="reversed_already")
    n_waiting = reassignments.give_back(session, row, now)
    row.reversed_by, row.reversed_at = me.actor, now
    session.flush()
    details = {"judge": row.judge, "n_items": len(row.items), "n_waiting": n_waiting}
    audit.record(session, me.actor, "review.reassignment_reversed", f"model:{model.name}", details)
    return read(session, [row])[0]


def read(session: Session, rows: Sequence[Reassignment]) -> list[ReassignmentOut]:
    """With the people's names and how many items still wait."""
    names = users.names_of(session, [row.judge.removeprefix("user:") for row in rows])
    return [
        ReassignmentOut(
            id=row.id,
            judge=row.judge,
            name=names.get(row.judge.removeprefix("user:")),
            window_start=row.window_start,
            window_end=row.window_end,
            n_checks=row.n_checks,
            n_agreed=row.n_agreed,
            min_agreement=row.min_agreement,
            n_items=len(row.items),
            n_waiting=_waiting(session, row) if row.reversed_at is None else 0,
            created_at=row.created_at,
            reversed_by=row.reversed_by,
            reversed_at=row.reversed_at,
        )
        for row in rows
    ]


def _waiting(session: Session, row: Reassignment) -> int:
    ids = [one["task_id"] for one in row.items]
    query = select(func.count()).where(ReviewTask.id.in_(ids), ReviewTask.state == "open")
    return session.scalars(query).one()

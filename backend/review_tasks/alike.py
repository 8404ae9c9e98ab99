"""One answer for identical rows: open blind items with the very same inputs are answered along with the one in hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Invalid
from backend.review_tasks import deciding
from backend.review_tasks.schemas import DecideBody, Decided
from db.base import new_id
from db.models.review import Decision, ReviewTask
from db.repositories import decisions, review_tasks, subjects

#: A lease that lasts for the transaction alone.
_MOMENT = timedelta(minutes=1)


def find(session: Session, me: Principal, task: ReviewTask, *, now: datetime, n: int) -> list[ReviewTask]:
    """Open items of the same model, blind like this one, with the same inputs, in nobody else's hands, not answered by
    this person; among the next of the queue. A row without inputs is like no other."""
    if task.mode != "blind" or not task.item.get("inputs"):
        return []
    waiting = review_tasks.waiting_for(session, task.model_id, person=me.id, judge=me.judge, now=now)
    return [one for one in waiting if one.id != task.id and _same(one, task)][:n]


def _same(one: ReviewTask, other: ReviewTask) -> bool:
    keys = ("inputs", "artifact", "text")
    return all(one.item.get(key) == other.item.get(key) for key in keys)


def decide_all(session: Session, me: Principal, task_id: str, body: DecideBody, *, now: datetime) -> Decided:
    """Answer the item and those like it; each answer is a row of its own, and one undo takes all of them back."""
    if body.verb != "label":
        raise Invalid("only a label goes to identical rows", code="label_missing", details={"pointer": "/verb"})
    task = review_tasks.get_task(session, task_id)
    others = find(session, me, task, now=now, n=body.alike) if task is not None else []
    if task is not None:
        subjects.lock_subjects(session, task.model_id, [task.subject_id, *(one.subject_id for one in others)])
    decided = deciding.decide(session, me, task_id, body, now=now)
    if decided.is_repeated:
        return decided.model_copy(update={"alike_ids": _given_before(session, decided.decision_id)})
    if decided.outcome not in deciding.COUNTING or task is None:
        return decided
    done = [one.id for one in sorted(others, key=lambda row: row.id) if _along(session, me, one, body, decided, now)]
    return decided.model_copy(update={"alike_ids": done})


def _along(session: Session, me: Principal, other: ReviewTask, body: DecideBody, first: Decided, now: datetime) -> bool:
    """Answer one more item; false when somebody else took it meanwhile."""
    held = review_tasks.lock_task(session, other.id)
    if held is None or held.state != "open" or (held.leased_to not in (None, me.id) and _is_live(held, now)):
        return False
    held.lease_token, held.leased_to, held.lease_until = new_id(), me.id, now + _MOMENT
    session.flush()
    own: dict[str, Any] = {"lease_token": held.lease_token, "duration_ms": None, "boxes": [], "alike": 0}
    key = f"{body.idempotency_key}/{other.id}" if body.idempotency_key else None
    answered = deciding.decide(session, me, other.id, body.model_copy(update={**own, "idempotency_key": key}), now=now)
    row = session.get_one(Decision, answered.decision_id)
    row.details = {**row.details, "alike_of": first.decision_id}
    session.flush()
    return True


def _is_live(task: ReviewTask, now: datetime) -> bool:
    return task.lease_until is not None and task.lease_until > now


def _given_before(session: Session, decision_id: str) -> list[str]:
    rows: Sequence[Decision] = decisions.given_alike(session, session.get_one(Decision, decision_id))
    return [str(row.task_id) for row in rows]

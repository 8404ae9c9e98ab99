"""Claiming, keeping and giving back review tasks, opening them by hand, and a person's progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Conflict, NotFound
from backend.review_tasks.schemas import AnonymousOpinion, Box, ClaimBody, ClaimedTask, Item, OpenBody, Opened
from db.base import new_id
from db.models.model import Model
from db.models.person import User
from db.models.review import ReviewTask, Subject
from db.repositories import models, review_tasks, subjects
from db.repositories.resolution import item_of
from review.rules.marks import boxes_in, n_unread_boxes
from review.rules.queue import priority_of


def claim(
    session: Session, me: Principal, model: Model, body: ClaimBody, *, now: datetime, lease: timedelta
) -> list[ClaimedTask]:
    """Lease the next items of a model to a person."""
    token, until = new_id(), now + lease
    tasks = review_tasks.claim_tasks(
        session,
        model.id,
        person=me.id,
        judge=me.judge,
        modes=sorted(set(body.modes)),
        n=body.n,
        token=token,
        now=now,
        until=until,
        task_ids=body.task_ids,
    )
    return [present(task, model, token, until) for task in tasks]


def present(
    task: ReviewTask, model: Model, token: str, until: datetime | None, *, previous_label: str | None = None
) -> ClaimedTask:
    """What a person may see of a task before deciding: never the machine's answer, score, stratum or pi."""
    is_adjudication = task.mode == "adjudicate"
    return ClaimedTask(
        id=task.id,
        lease_token=token,
        lease_until=until,
        model=model.name,
        subject_id=task.subject_id,
        mode=task.mode,
        item=item_shown(task.item),
        labels=model.labels,
        reason=task.reason if is_adjudication else None,
        opinions=[AnonymousOpinion.model_validate(one) for one in task.answers] if is_adjudication else None,
        previous_label=previous_label,
    )


def item_shown(item: Mapping[str, Any]) -> Item:
    """The item as the bench gets it, with the boxes that its inputs carry, declared ones first."""
    places = item.get("inputs"), item
    return Item.model_validate({**item, "boxes": boxes_of(*places), "n_unread_boxes": n_unread_boxes(*places)})


def boxes_of(*places: Any) -> list[Box]:
    """Boxes under the first of these places that has any."""
    return [Box(x=x, y=y, width=w, height=h, label=label) for x, y, w, h, label in boxes_in(*places)]


def require_task(session: Session, me: Principal, task_id: str) -> tuple[ReviewTask, Model]:
    """The task, held until commit, and its model; NotFound also for one of a model that this key is not for."""
    task = review_tasks.lock_task(session, task_id)
    model = models.get_model(session, task.model_id) if task is not None else None
    if task is None or model is None or not me.may_use_model(model.name):
        raise NotFound("there is no such review task")
    return task, model


def heartbeat(
    session: Session, me: Principal, task_id: str, token: str, *, now: datetime, lease: timedelta
) -> datetime:
    """Keep a lease; 409 when the task is closed or in other hands."""
    until = now + lease
    if not review_tasks.extend_lease(session, task_id, person=me.id, token=token, until=until):
        raise Conflict("this item is no longer yours: claim the next one", code="lease_lost")
    return until


def release(session: Session, me: Principal, leases: Sequence[tuple[str, str]]) -> list[str]:
    """Give items back; leases that are lost already are passed over."""
    return review_tasks.release_leases(session, leases, person=me.id)


def open_tasks(session: Session, model: Model, body: OpenBody, *, now: datetime) -> Opened:
    """Queue known subjects by id or filter."""
    found = subjects.find_subjects(session, model.id, body.subject_ids) if body.subject_ids else {}
    if body.where is not None:
        found |= {one.subject_id: one for one in _matching(session, model, body)}
    rows = [_row(model, subject, body, now) for _, subject in sorted(found.items())]
    opened = review_tasks.add_tasks(session, rows)
    unknown = [one for one in body.subject_ids if one not in found]
    return Opened(opened=opened, n_queued_already=len(rows) - len(opened), unknown=unknown)


def _matching(session: Session, model: Model, body: OpenBody) -> list[Subject]:
    assert body.where is not None
    query = select(Subject).where(Subject.model_id == model.id).order_by(Subject.subject_id).limit(body.where.limit)
    for key, value in body.where.segments.items():
        query = query.where(Subject.segments[key].as_string() == value)
    return list(session.scalars(query))


def _row(model: Model, subject: Subject, body: OpenBody, now: datetime) -> dict[str, Any]:
    return {
        "model_id": model.id,
        "subject_id": subject.subject_id,
        "event_id": (subject.details.get("champion") or {}).get("event_id"),
        "reason": body.reason,
        "stratum": body.stratum or body.reason,
        "mode": body.mode,
        "priority": priority_of(body.reason, subject.subject_id, body.seed),
        "pi": body.pi,
        "policy_id": body.policy_id,
        "seed": body.seed,
        "n_wanted": body.n_wanted,
        "item": item_of(subject),
        "answers": subjects.machine_answers(subject.details),
        "segments": dict(subject.segments),
        "happened_at": now,
    }


def start_of_day(session: Session, me: Principal, now: datetime) -> datetime:
    """Midnight where the person is (UTC when they named no zone)."""
    user = session.get(User, me.id) if me.kind == "user" else None
    zone = ZoneInfo(user.timezone) if user is not None and user.timezone else UTC
    return now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)

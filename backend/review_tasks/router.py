"""/v1/review-tasks: the queue. The routes on the key path open their one transaction themselves: one thread hop."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from cachetools import TTLCache
from fastapi import Depends, Query
from sqlalchemy.exc import IntegrityError

from backend.auth.rules import Principal
from backend.deps import Me, Reader, Soi, Writer, allow, guarded_router
from backend.errors import Conflict
from backend.models.service import require_model
from backend.review_tasks import alike, deciding, service, showing
from backend.review_tasks.context import context_of
from backend.review_tasks.schemas import (
    ClaimBody,
    ClaimedTask,
    DecideBody,
    Decided,
    HeartbeatBody,
    ItemContext,
    Lease,
    LookBody,
    Mode,
    OpenBody,
    Opened,
    Progress,
    Reason,
    ReleaseBody,
    Released,
    Reveal,
    ReviewTaskOut,
    UndoBody,
)
from backend.services import Services
from db.base import utc_now
from db.repositories import decisions, review_tasks

router = guarded_router("/v1/review-tasks", "review:work")

#: Length of the queue per database and model, at most a second old.
_open_counts: TTLCache[tuple[str, str], dict[str, int]] = TTLCache(maxsize=1_000, ttl=1.0)
#: (agreed, settled) per database, model and judge: a join over a month, so read once a minute.
_agreements: TTLCache[tuple[str, str, str], tuple[int, int]] = TTLCache(maxsize=10_000, ttl=60.0)
_AGREEMENT_DAYS = 30


def _lease(soi: Services) -> timedelta:
    return timedelta(minutes=soi.settings.lease_minutes)


@router.post("/claim")
def claim(body: ClaimBody, soi: Soi, me: Me) -> list[ClaimedTask]:
    """The next items, leased to the caller; an empty list when nothing waits for them."""
    with soi.database.write() as session:
        model = require_model(session, me, body.model)
        return service.claim(session, me, model, body, now=utc_now(), lease=_lease(soi))


@router.post("/{task_id}/heartbeat")
def heartbeat(task_id: str, body: HeartbeatBody, soi: Soi, me: Me) -> Lease:
    """Keep a lease while the person is still looking."""
    with soi.database.write() as session:
        until = service.heartbeat(session, me, task_id, body.lease_token, now=utc_now(), lease=_lease(soi))
        return Lease(lease_until=until)


@router.post("/{task_id}/decide")
def decide(task_id: str, body: DecideBody, soi: Soi, me: Me) -> Decided:
    """Answer an item. Never refused for a lost lease: see `outcome`."""
    how = alike.decide_all if body.alike else deciding.decide
    try:
        with soi.database.write() as session:
            return how(session, me, task_id, body, now=utc_now())
    except IntegrityError as error:
        message = "this idempotency key is being used for another answer"
        raise Conflict(message, code="idempotency_conflict") from error


@router.get("/{task_id}/context")
def context(task_id: str, soi: Soi, me: Me) -> ItemContext:
    """What helps to judge an item that the caller holds: ranges, labelled rows like it, marks. Not the AI's answer."""
    return context_of(soi.database, soi.eventlog, me, task_id, now=utc_now())


@router.post("/{task_id}/reveal")
def reveal(task_id: str, body: LookBody, session: Writer, me: Me) -> Reveal:
    """The AI's answer about an item that the caller has answered, where its mode shows it; every look is logged."""
    task, model = service.require_task(session, me, task_id)
    is_shown = deciding.shows_answer(task, model)
    return showing.look(session, me, task, model, body, is_shown=is_shown, now=utc_now())


@router.post("/release")
def release(body: ReleaseBody, soi: Soi, me: Me) -> Released:
    """Give claimed items back at once (pause, close)."""
    with soi.database.write() as session:
        leases = [(one.id, one.lease_token) for one in body.leases]
        return Released(released=service.release(session, me, leases))


@router.post("/undo")
def undo(body: UndoBody, soi: Soi, me: Me) -> ClaimedTask:
    """Take back the caller's latest answer, up to ten in a row; the item is theirs again."""
    with soi.database.write() as session:
        model_id = require_model(session, me, body.model).id if body.model is not None else None
        return deciding.undo(session, me, model_id, answer=body.answer, now=utc_now(), lease=_lease(soi))


@router.get("/progress")
def progress(model: str, soi: Soi, me: Me, session: Reader) -> Progress:
    """The caller's day, and how long the queue is."""
    found = require_model(session, me, model)
    now = utc_now()
    key = (str(soi.database.url), found.id)
    counts = _open_counts.get(key)
    if counts is None:
        counts = _open_counts[key] = review_tasks.count_open(session, found.id)
    n_agreed, n_settled = _agreement(session, me, key, now)
    return Progress(
        done_today=_done_today(session, me, found.id, now),
        mine=review_tasks.count_leased(session, found.id, me.id, now),
        open=counts["inspect"],
        to_adjudicate=counts["adjudicate"],
        n_agreed=n_agreed,
        n_settled=n_settled,
    )


def _agreement(session: Reader, me: Principal, key: tuple[str, str], now: datetime) -> tuple[int, int]:
    whose = (*key, me.judge)
    found = _agreements.get(whose)
    if found is None:
        start = now - timedelta(days=_AGREEMENT_DAYS)
        found = _agreements[whose] = decisions.agreement_since(session, me.judge, key[1], start)
    return found


def _done_today(session: Reader, me: Principal, model_id: str, now: datetime) -> int:
    return decisions.count_since(session, me.judge, model_id, service.start_of_day(session, me, now))


@router.post("", status_code=201, dependencies=[Depends(allow("review:manage"))])
def open_tasks(body: OpenBody, session: Writer, me: Me) -> Opened:
    """Queue subjects for people."""
    return service.open_tasks(session, require_model(session, me, body.model), body, now=utc_now())


@router.get("", dependencies=[Depends(allow("review:manage"))])
def list_tasks(
    session: Reader,
    me: Me,
    model: str,
    state: Annotated[str | None, Query(pattern="^(open|done|skipped)$")] = None,
    mode: Annotated[list[Mode] | None, Query()] = None,
    reason: Reason | None = None,
    subject_id: str | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> list[ReviewTaskOut]:
    """Tasks of a model in the order in which they were opened; `after` is the last id of the page before."""
    found = require_model(session, me, model)
    rows = review_tasks.list_tasks(
        session,
        found.id,
        state=state,
        modes=mode or (),
        reason=reason,
        subject_id=subject_id,
        after_id=after,
        limit=limit,
    )
    return [ReviewTaskOut.model_validate(row) for row in rows]

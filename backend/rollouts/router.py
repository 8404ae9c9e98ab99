"""Rollouts of a model over HTTP: the one in force, the history, marks for charts, and a new one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query
from pydantic import AwareDatetime

from backend.deps import Me, Reader, Writer, allow, guarded_router
from backend.errors import NotFound
from backend.models.service import require_model
from backend.rollouts.schemas import RollbackIn, RolloutCreate, RolloutMark, RolloutRead
from backend.rollouts.service import create_rollout, mark_changes, read_rollouts, roll_back
from db.repositories import rollouts

router = guarded_router("/v1/models/{model}/rollouts", "models:read")

Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("")
def list_rollouts(
    model: str,
    session: Reader,
    me: Me,
    before_id: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
    limit: Limit = 100,
) -> list[RolloutRead]:
    """The history, newest first; the first one is in force."""
    found = require_model(session, me, model)
    rows = rollouts.list_rollouts(session, found.id, before_id=before_id, limit=limit)
    return read_rollouts(session, found, rows)


@router.post("", status_code=201, dependencies=[Depends(allow("rollouts:write"))])
def post_rollout(model: str, body: RolloutCreate, session: Writer, me: Me) -> RolloutRead:
    """Put a champion, challengers and an automation level in force, with a reason."""
    found = require_model(session, me, model)
    return read_rollouts(session, found, [create_rollout(session, me, found, body)])[0]


@router.post("/rollback", status_code=201, dependencies=[Depends(allow("rollouts:write"))])
def post_rollback(model: str, body: RollbackIn, session: Writer, me: Me) -> RolloutRead:
    """Put who answered before in force again, with a reason; every process follows within a second."""
    found = require_model(session, me, model)
    return read_rollouts(session, found, [roll_back(session, me, found, body)])[0]


@router.get("/current")
def get_current_rollout(model: str, session: Reader, me: Me) -> RolloutRead:
    """The rollout in force; 404 before the first one."""
    found = require_model(session, me, model)
    row = rollouts.current_rollout(session, found.id)
    if row is None:
        raise NotFound("this model has no rollout yet", code="no_rollout")
    return read_rollouts(session, found, [row])[0]


@router.get("/marks")
def list_marks(
    model: str,
    session: Reader,
    me: Me,
    start: AwareDatetime | None = None,
    end: AwareDatetime | None = None,
    limit: Limit = 200,
) -> list[RolloutMark]:
    """What changed between two times, oldest first, to draw as lines on charts."""
    found = require_model(session, me, model)
    first = start or datetime.min.replace(tzinfo=UTC)
    rows = rollouts.list_rollouts(session, found.id, end=end, limit=limit + 1)
    return [mark for mark in mark_changes(rows) if mark.at >= first][-limit:]

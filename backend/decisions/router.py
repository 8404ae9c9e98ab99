"""/v1/decisions: what people and predictors decided elsewhere, and the list of all decisions."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Response
from sqlalchemy.exc import IntegrityError

from backend.decisions import service
from backend.decisions.schemas import DecisionOut, DecisionsBody, DecisionsStored
from backend.deps import Me, Reader, Soi, allow, guarded_router
from backend.errors import Conflict
from backend.models.service import require_model
from backend.shapes import Moment
from db.base import utc_now
from db.repositories import decisions

router = guarded_router("/v1/decisions", "labels:read")


@router.post("", status_code=201, dependencies=[Depends(allow("labels:write"))])
def store_decisions(body: DecisionsBody, soi: Soi, me: Me, response: Response) -> DecisionsStored:
    """Store up to 1,000 decisions, before or after their predictions; 207 when some were not new or not right."""
    try:
        with soi.database.write() as session:
            model = require_model(session, me, body.model)
            stored = service.store(session, me, model, body.decisions, now=utc_now())
    except IntegrityError as error:
        raise Conflict("the same decisions are being stored by another request; send them again") from error
    if stored.n_stored < len(stored.results):
        response.status_code = 207 if stored.n_refused else 200
    return stored


@router.get("")
def list_decisions(
    session: Reader,
    me: Me,
    model: str,
    subject_id: str | None = None,
    judge: str | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    superseded: bool = False,
    planted: bool = False,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> list[DecisionOut]:
    """Decisions in the order in which they were stored; `after` is the last id of the page before. Answers to planted
    items, which measure people, only with `planted`."""
    found = require_model(session, me, model)
    rows = decisions.list_decisions(
        session,
        found.id,
        subject_id=subject_id,
        judge=judge,
        start=start,
        end=end,
        with_superseded=superseded,
        with_planted=planted,
        after_id=after,
        limit=limit,
    )
    return [DecisionOut.model_validate(row) for row in rows]

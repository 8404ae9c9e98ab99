"""POST and GET /v1/predictions: the logging door, stored events, the quarantine and schema notices."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.datastructures import QueryParams

from backend.deps import Me, Reader, Soi, Writer, allow, allow_directly, guarded_router
from backend.errors import TooManyRequests
from backend.models.service import require_model
from backend.predictions import reading
from backend.predictions.body import BodyBudget, body_kind
from backend.predictions.rate import RequestRate
from backend.predictions.schemas import EventPage, Notice, QuarantineRow
from backend.predictions.service import LoggingDoor
from backend.raw_route import RawRoute
from backend.services import Services

router = APIRouter(
    prefix="/v1/predictions",
    tags=["predictions"],
    dependencies=[Depends(allow_directly("events:write"))],
    route_class=RawRoute,
)
stored = guarded_router("/v1/predictions", "events:read")
quarantine = guarded_router("/v1/quarantine", "events:read")
notices = guarded_router("/v1/schema-notices", "events:read")

_BODIES: dict[str, dict[str, str]] = {
    "application/json": {},
    "application/x-ndjson": {},
    "application/vnd.apache.arrow.stream": {},
}


def door(request: Request, soi: Services) -> LoggingDoor:
    """The process's logging door, made at the first request."""
    found: LoggingDoor | None = getattr(request.app.state, "logging_door", None)
    if found is None:
        found = LoggingDoor(soi.eventlog, soi.settings.max_body_bytes)
        request.app.state.logging_door = found
        request.app.state.body_budget = BodyBudget()
        request.app.state.request_rate = RequestRate(soi.settings.log_requests_per_minute)
    return found


@functools.lru_cache(maxsize=128)
def parse_query(query: bytes) -> tuple[str | None, bool]:
    """The model that a query names, and whether it asks for ids; callers repeat theirs with every request."""
    found = QueryParams(query)
    return found.get("model"), found.get("ids") == "true"


@router.post("", status_code=201, openapi_extra={"requestBody": {"content": _BODIES, "required": True}})
async def log_predictions(request: Request) -> Response:
    """Log one event, a list, NDJSON or an Arrow stream; answers after the events are on disk."""
    soi: Services = request.app.state.services
    taker = door(request, soi)
    budget: BodyBudget = request.app.state.body_budget
    model, with_ids = parse_query(request.scope["query_string"])
    try:
        request.app.state.request_rate.check(request.state.principal.actor)
    except TooManyRequests:
        taker.count(model or "", "too_many_requests")
        raise
    kind = body_kind(request)
    body = await budget.take(request, soi.settings.max_body_bytes)
    try:
        status, answer = await taker.log(
            body,
            kind,
            request.state.principal,
            model=model,
            key=request.headers.get("idempotency-key"),
            with_ids=with_ids,
        )
    finally:
        budget.give_back(body)
    return Response(answer, status_code=status, media_type="application/json")


@stored.get("")
def list_predictions(
    me: Me,
    soi: Soi,
    session: Reader,
    model: str,
    start: datetime,
    end: datetime,
    query: Annotated[reading.EventQuery, Depends()],
) -> EventPage:
    """Stored events of a time window, newest first, with simple filters."""
    found = require_model(session, me, model)
    return reading.list_events(soi.eventlog, found, start, end, query)


@stored.get("/{event_id}")
def get_prediction(event_id: str, me: Me, soi: Soi, session: Reader, model: str) -> dict[str, object]:
    """One stored event."""
    return reading.get_event(soi.eventlog, require_model(session, me, model), event_id)


@quarantine.get("")
def list_quarantine(
    me: Me,
    session: Reader,
    model: str | None = None,
    code: str | None = None,
    before_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[QuarantineRow]:
    """Refused events with their reasons, newest first."""
    return reading.list_quarantine(session, me, model, code, before_id, limit)


@notices.get("")
def list_notices(
    me: Me,
    session: Reader,
    model: str | None = None,
    only_open: bool = False,
    before_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[Notice]:
    """Changes that callers made to the models' inputs, newest first."""
    return reading.list_notices(session, me, model, only_open, before_id, limit)


@notices.post("/{notice_id}/acknowledge", dependencies=[Depends(allow("models:write"))])
def acknowledge_notice(notice_id: int, me: Me, session: Writer) -> Notice:
    """Note that somebody has seen a change."""
    return reading.acknowledge(session, me, notice_id)

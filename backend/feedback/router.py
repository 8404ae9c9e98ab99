"""/v1/feedback: signals about predictions in, and what was told about one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Header, Query, Response

from backend.deps import Me, Reader, Soi, guarded_router
from backend.errors import Invalid
from backend.feedback import service
from backend.feedback.schemas import MAX_SIGNALS, FeedbackIn, FeedbackOut, FeedbackStored
from backend.models.service import require_model
from db.base import utc_now
from db.repositories import feedback

router = guarded_router("/v1/feedback", "events:write")
stored = guarded_router("/v1/feedback", "events:read")

_Signals = Annotated[list[FeedbackIn], Body(min_length=1, max_length=MAX_SIGNALS)]


@router.post("", status_code=201)
def post_feedback(
    body: FeedbackIn | _Signals,
    soi: Soi,
    me: Me,
    response: Response,
    model: Annotated[str | None, Query(max_length=200)] = None,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> FeedbackStored:
    """Tell what became of predictions: one signal or up to 10,000 of one model, joined when the prediction is there."""
    signals = body if isinstance(body, list) else [body]
    named = {signal.model for signal in signals if signal.model is not None} | ({model} if model is not None else set())
    if len(named) != 1:
        raise Invalid("name one model, in the signals or as ?model=", details={"pointer": "/model"})
    with soi.database.write() as session:
        found = require_model(session, me, named.pop())
        told = service.store(
            session,
            me,
            found,
            signals,
            now=utc_now(),
            request_key=idempotency_key,
            future_minutes=soi.settings.event_future_minutes,
        )
    if not told.n_new:
        response.status_code = 200
    return told


@stored.get("")
def list_feedback(
    session: Reader,
    me: Me,
    model: str,
    prediction_id: Annotated[str, Query(max_length=200)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[FeedbackOut]:
    """What was told about a prediction, oldest first."""
    found = require_model(session, me, model)
    if "\0" in prediction_id:
        return []
    rows = feedback.list_feedback(session, found.id, prediction_id, limit=limit)
    return [FeedbackOut.model_validate(row) for row in rows]

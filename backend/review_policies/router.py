"""Review policies over HTTP: the history, declaring one, and what one would send to people."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from backend.deps import Me, Reader, Soi, Writer, guarded_router
from backend.models.service import require_model
from backend.review_policies import service
from backend.review_policies.preview import preview
from backend.review_policies.schemas import PolicyCreate, PolicyOut, Preview, PreviewBody
from backend.shapes import Slug
from db.base import utc_now

router = guarded_router("/v1/review-policies", "review:manage")


@router.get("")
def get_policies(
    model: Slug, session: Reader, me: Me, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[PolicyOut]:
    """Policies of a model, newest first; the first one is in force."""
    return service.history(session, require_model(session, me, model), limit)


@router.post("", status_code=201)
def post_policy(body: PolicyCreate, session: Writer, me: Me) -> PolicyOut:
    """Put a policy in force from now on, with a reason. Answers logged before keep the policy of their time."""
    return service.declare(session, me, require_model(session, me, body.model), body)


@router.post("/preview")
def post_preview(body: PreviewBody, soi: Soi, me: Me) -> Preview:
    """How many items a day a policy would send to people, by reason, on the last days' traffic; nothing is saved."""
    policy = service.make_policy(body.policy)
    with soi.database.read() as session:
        model = require_model(session, me, body.model)
    return preview(soi.database, soi.eventlog, model, policy, days=body.days, now=utc_now())

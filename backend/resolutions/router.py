"""Resolutions over HTTP: what people settled since a number. Channels of the review policy are told of each."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from backend.deps import Me, Reader, guarded_router
from backend.models.service import require_model
from backend.resolutions.schemas import ResolutionOut, ResolutionPage
from backend.shapes import Slug
from db.repositories import resolutions

router = guarded_router("/v1/resolutions", "labels:read")


@router.get("")
def get_resolutions(
    model: Slug,
    session: Reader,
    me: Me,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ResolutionPage:
    """Items that people resolved, after a number. Reading on from `next_after` misses none and gives none twice."""
    found = require_model(session, me, model)
    rows = resolutions.list_resolutions(session, found.id, after=after, limit=limit)
    items = [ResolutionOut.model_validate(row) for row in rows]
    return ResolutionPage(items=items, next_after=items[-1].number if items else after)

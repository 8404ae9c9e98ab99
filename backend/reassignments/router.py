"""Reassignments over HTTP: which items went to other people and why, and taking that back."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from backend.deps import Me, Reader, Writer, guarded_router
from backend.models.service import require_model
from backend.reassignments import service
from backend.reassignments.schemas import ReassignmentOut
from backend.shapes import Slug
from db.base import utc_now
from db.repositories import reassignments

router = guarded_router("/v1/reassignments", "review:manage")


@router.get("")
def get_reassignments(
    model: Slug, session: Reader, me: Me, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> list[ReassignmentOut]:
    """Reassignments of a model, newest first."""
    found = require_model(session, me, model)
    return service.read(session, reassignments.list_reassignments(session, found.id, limit=limit))


@router.post("/{reassignment_id}/reverse")
def post_reversal(reassignment_id: str, session: Writer, me: Me) -> ReassignmentOut:
    """Take a reassignment back: the items count again as their author answered them."""
    return service.take_back(session, me, reassignment_id, utc_now())

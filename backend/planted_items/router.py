"""Planted items over HTTP: for those who manage reviews; inspectors never see which items are planted."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query

from backend.deps import Me, Reader, Writer, guarded_router
from backend.models.service import require_model
from backend.planted_items import service
from backend.planted_items.schemas import PersonChecks, PlantedBody, PlantedOut, PlantedStored
from backend.shapes import Slug
from db.base import utc_now
from db.repositories import planted_items

router = guarded_router("/v1/planted-items", "review:manage")


@router.post("", status_code=201)
def post_items(body: PlantedBody, session: Writer, me: Me) -> PlantedStored:
    """Add subjects with a known label; the review policy says how many come between the work."""
    return service.store(session, me, require_model(session, me, body.model), body.items)


@router.get("")
def get_items(
    model: Slug,
    session: Reader,
    me: Me,
    kind: Literal["gold", "injected"] | None = None,
    after: Annotated[str | None, Query(max_length=36)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[PlantedOut]:
    """Known items in the order in which they were added; `after` is the last id of the page before."""
    found = require_model(session, me, model)
    rows = planted_items.list_items(session, found.id, kind=kind, after_id=after, limit=limit)
    return [PlantedOut.model_validate(row) for row in rows]


@router.get("/checks")
def get_checks(model: Slug, session: Reader, me: Me) -> list[PersonChecks]:
    """How people did on planted items within the policy's window, worst first."""
    return service.read_checks(session, require_model(session, me, model), utc_now())


@router.delete("/{item_id}")
def delete_item(item_id: str, session: Writer, me: Me) -> PlantedOut:
    """Show an item to nobody any more; it stays listed."""
    return service.withdraw(session, me, item_id)

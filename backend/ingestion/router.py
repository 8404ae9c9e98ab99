"""Ingestion health over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from backend.deps import Me, Reader, Soi, guarded_router
from backend.ingestion import service
from backend.ingestion.schemas import IngestionHealth
from backend.models.service import require_model
from backend.shapes import Moment
from db.base import utc_now
from db.repositories.models import list_models

router = guarded_router("/v1/ingestion", "aggregates:read")


@router.get("")
def get_ingestion(
    session: Reader,
    me: Me,
    soi: Soi,
    start: Moment,
    end: Moment,
    model: str | None = None,
    grain_s: Annotated[int | None, Query(ge=300)] = None,
) -> IngestionHealth:
    """Accepted, repeated and refused events over time; hot events, last seal and lake size per model."""
    if model is not None:
        chosen = [require_model(session, me, model)]
    else:
        chosen = list_models(session, names=me.models, limit=1000)
    sees_all = model is None and me.models is None
    return service.health(session, soi.eventlog, chosen, start, end, grain_s=grain_s, sees_all=sees_all, now=utc_now())

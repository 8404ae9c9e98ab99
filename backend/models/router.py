"""Models over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from backend.deps import Me, Reader, Writer, allow, guarded_router
from backend.models.schemas import ModelCreate, ModelPatch, ModelRead
from backend.models.service import change_model, create_model, require_model
from db.repositories import models

router = guarded_router("/v1/models", "models:read")
_may_write = [Depends(allow("models:write"))]


@router.get("")
def list_models(
    session: Reader,
    me: Me,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> list[ModelRead]:
    """Models by name."""
    found = models.list_models(session, names=me.models, limit=limit, offset=offset)
    return [ModelRead.model_validate(model) for model in found]


@router.post("", status_code=201, dependencies=_may_write)
def post_model(body: ModelCreate, session: Writer, me: Me) -> ModelRead:
    """Register a model: its item kind, labels, inputs and segment keys."""
    return ModelRead.model_validate(create_model(session, me, body))


@router.get("/{model}")
def get_model(model: str, session: Reader, me: Me) -> ModelRead:
    """One model."""
    return ModelRead.model_validate(require_model(session, me, model))


@router.patch("/{model}", dependencies=_may_write)
def patch_model(model: str, body: ModelPatch, session: Writer, me: Me) -> ModelRead:
    """Change titles, labels, inputs, segment keys, settings, or lock the schema."""
    return ModelRead.model_validate(change_model(session, me, model, body))

"""Pipelines over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from backend.deps import Me, Reader, Writer, allow, guarded_router
from backend.pipelines import service
from backend.pipelines.schemas import PipelineCreate, PipelinePatch, PipelineRead

router = guarded_router("/v1/pipelines", "aggregates:read")
_may_write = [Depends(allow("models:write"))]


@router.get("")
def list_pipelines(
    session: Reader,
    me: Me,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> list[PipelineRead]:
    """Pipelines by name."""
    return [service.shape(chain) for chain in service.list_chains(session, me, limit=limit, offset=offset)]


@router.post("", status_code=201, dependencies=_may_write)
def post_pipeline(body: PipelineCreate, session: Writer, me: Me) -> PipelineRead:
    """Register a pipeline: its steps in order, each with its model, and how spans are read."""
    return service.shape(service.create_pipeline(session, me, body))


@router.get("/{pipeline}")
def get_pipeline(pipeline: str, session: Reader, me: Me) -> PipelineRead:
    """One pipeline."""
    return service.shape(service.require_chain(session, me, pipeline))


@router.patch("/{pipeline}", dependencies=_may_write)
def patch_pipeline(pipeline: str, body: PipelinePatch, session: Writer, me: Me) -> PipelineRead:
    """Change titles, steps, services or the mapping of attributes."""
    return service.shape(service.change_pipeline(session, me, pipeline, body))


@router.delete("/{pipeline}", status_code=204, dependencies=_may_write)
def delete_pipeline(pipeline: str, session: Writer, me: Me) -> None:
    """Forget a pipeline; the predictions of its steps stay."""
    service.delete_pipeline(session, me, pipeline)

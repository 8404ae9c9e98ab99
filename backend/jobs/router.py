"""GET /v1/jobs, one job, its end, and the workers that run them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Query

from backend.deps import Me, Reader, Writer, allow, guarded_router
from backend.jobs import service
from backend.jobs.schemas import JobInfo, JobKind, JobState, WorkerInfo
from backend.models.service import require_model
from db.base import utc_now
from db.repositories import jobs, models

router = guarded_router("/v1/jobs", "runs:read")


@router.get("", response_model=list[JobInfo])
def list_jobs(
    me: Me,
    session: Reader,
    model: Annotated[str | None, Query(max_length=100)] = None,
    kind: JobKind | None = None,
    state: JobState | None = None,
    before_id: Annotated[str | None, Query(max_length=36, pattern="^[0-9a-f-]*$")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Any:
    """Jobs, newest first."""
    model_ids = None
    if model is not None:
        model_ids = [require_model(session, me, model).id]
    elif me.models is not None:
        model_ids = [found.id for found in models.list_models(session, names=me.models, limit=1000)]
    found = jobs.list_jobs(
        session, kind=kind, state=state, model_ids=model_ids, before_id=before_id or None, limit=limit
    )
    return service.read_jobs(session, found)


@router.get("/workers", response_model=list[WorkerInfo])
def list_workers(session: Reader) -> Any:
    """The worker processes, the one heard of last first."""
    late = utc_now() - timedelta(seconds=jobs.STALLED_AFTER_S)
    return [
        WorkerInfo(
            name=worker.name,
            started_at=worker.started_at,
            heartbeat_at=worker.heartbeat_at,
            is_alive=worker.heartbeat_at >= late,
            status=worker.status,
        )
        for worker in jobs.list_workers(session)
    ]


@router.get("/{job_id}", response_model=JobInfo)
def get_job(job_id: str, me: Me, session: Reader) -> Any:
    """One job with its progress and messages."""
    return service.read_jobs(session, [service.require_job(session, me, job_id)])[0]


@router.post("/{job_id}/cancel", response_model=JobInfo, dependencies=[Depends(allow("runs:write"))])
def cancel_job(job_id: str, me: Me, session: Writer) -> Any:
    """End a job that is not finished. What it made so far is not kept."""
    job = service.cancel(session, me, service.require_job(session, me, job_id))
    return service.read_jobs(session, [job])[0]

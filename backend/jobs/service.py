"""Reading jobs with their model's name, and ending them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Conflict, NotFound
from backend.jobs.schemas import JobInfo
from db.base import utc_now
from db.engine import WriteSession
from db.models.learn import Job
from db.repositories import audit, jobs, models


def require_job(session: Session, me: Principal, job_id: str) -> Job:
    """The job; NotFound also for one of a model that this principal may not use."""
    job = jobs.get_job(session, job_id)
    if job is None or not _may_see(session, me, job):
        raise NotFound("there is no such job", details={"job": job_id})
    return job


def read_jobs(session: Session, found: Sequence[Job]) -> list[JobInfo]:
    """Jobs as the API shows them."""
    now, names = utc_now(), {}
    for model_id in {job.model_id for job in found if job.model_id}:
        model = models.get_model(session, model_id)
        names[model_id] = model.name if model else None
    columns = [name for name in JobInfo.model_fields if name not in {"model", "is_stalled"}]
    return [
        JobInfo(
            **{name: getattr(job, name) for name in columns},
            model=names.get(job.model_id) if job.model_id else None,
            is_stalled=jobs.is_stalled(job, now),
        )
        for job in found
    ]


def cancel(session: WriteSession, me: Principal, job: Job) -> Job:
    """End a job that is not finished; Conflict when it is."""
    if not jobs.cancel_job(session, job.id, utc_now()):
        raise Conflict("the job is finished already", code="job_finished", details={"state": job.state})
    session.refresh(job)
    jobs.add_message(session, job.id, "cancelled")
    audit.record(session, me.actor, "job.cancelled", f"job:{job.id}", {"kind": job.kind})
    return job


def _may_see(session: Session, me: Principal, job: Job) -> bool:
    if me.models is None:
        return True
    model = models.get_model(session, job.model_id) if job.model_id else None
    return model is not None and me.may_use_model(model.name)

"""Long work: queued in the transaction that asks for it, claimed by workers, watched by people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, func, or_, select, update
from sqlalchemy.orm import Session

from db.base import utc_now
from db.models.learn import Job, Worker

#: A running job whose worker has been silent for this long is stalled, and another worker takes it over.
STALLED_AFTER_S = 20.0
#: Messages kept per job.
N_MESSAGES = 200
OPEN_STATES = ("queued", "running")


def is_stalled(job: Job, now: datetime) -> bool:
    """Whether a job claims to run while nothing was heard of it."""
    heard = job.heartbeat_at or job.started_at or job.created_at
    return job.state == "running" and now - heard > timedelta(seconds=STALLED_AFTER_S)


def get_job(session: Session, job_id: str) -> Job | None:
    return session.get(Job, job_id)


def list_jobs(
    session: Session,
    *,
    kind: str | None = None,
    state: str | None = None,
    model_ids: list[str] | None = None,
    before_id: str | None = None,
    limit: int = 100,
) -> list[Job]:
    """Jobs, newest first; ids are ordered by time."""
    query = select(Job).order_by(Job.id.desc()).limit(limit)
    if kind is not None:
        query = query.where(Job.kind == kind)
    if state is not None:
        query = query.where(Job.state == state)
    if model_ids is not None:
        query = query.where(Job.model_id.in_(model_ids))
    if before_id is not None:
        query = query.where(Job.id < before_id)
    return list(session.scalars(query))


def find_open_job(session: Session, model_id: str, kind: str, parameters: dict[str, Any]) -> Job | None:
    """A job that is queued or running for the very same request."""
    query = select(Job).where(Job.model_id == model_id, Job.kind == kind, Job.state.in_(OPEN_STATES))
    return next((job for job in session.scalars(query) if job.parameters == parameters), None)


def add_job(session: Session, job: Job) -> Job:
    session.add(job)
    session.flush()
    return job


def runnable_jobs(session: Session, kinds: tuple[str, ...], now: datetime, *, limit: int = 20) -> list[Job]:
    """Jobs for a worker to start: queued ones, and running ones whose worker fell silent."""
    silent = now - timedelta(seconds=STALLED_AFTER_S)
    heard = or_(Job.heartbeat_at < silent, Job.heartbeat_at.is_(None) & (Job.started_at < silent))
    query = (
        select(Job)
        .where(Job.kind.in_(kinds))
        .where(or_(Job.state == "queued", (Job.state == "running") & heard))
        .order_by(Job.id)
        .limit(limit)
    )
    return list(session.scalars(query))


def count_queued(session: Session) -> int:
    """Jobs that wait for a worker."""
    return session.scalar(select(func.count()).select_from(Job).where(Job.state == "queued")) or 0


def claim_job(session: Session, job_id: str, worker: str, now: datetime) -> bool:
    """Take a job; False when it was cancelled, is done, or another live worker has it."""
    silent = now - timedelta(seconds=STALLED_AFTER_S)
    statement = (
        update(Job)
        .where(Job.id == job_id)
        .where(
            or_(
                Job.state == "queued",
                (Job.state == "running") & or_(Job.worker == worker, Job.heartbeat_at < silent),
            )
        )
        .values(state="running", worker=worker, heartbeat_at=now, n_attempts=Job.n_attempts + 1, error=None)
    )
    claimed = _touched(session, statement)
    if claimed:
        session.execute(update(Job).where(Job.id == job_id, Job.started_at.is_(None)).values(started_at=now))
    return claimed


def beat(session: Session, job_id: str, worker: str, now: datetime, **values: Any) -> bool:
    """Say that a job is alive, with its progress or step; False when it is no longer this worker's to run."""
    statement = update(Job).where(Job.id == job_id, Job.worker == worker, Job.state == "running")
    return _touched(session, statement.values(heartbeat_at=now, **values))


def release_job(session: Session, job_id: str, worker: str) -> bool:
    """Give a running job of this worker back to the queue."""
    statement = update(Job).where(Job.id == job_id, Job.worker == worker, Job.state == "running")
    return _touched(session, statement.values(state="queued", worker=None))


def add_message(session: Session, job_id: str, text: str, now: datetime | None = None) -> None:
    """Append a line for people to read."""
    job = session.get(Job, job_id)
    if job is not None:
        line = {"at": (now or utc_now()).isoformat(), "text": text[:1000]}
        job.messages = [*job.messages, line][-N_MESSAGES:]


def finish_job(
    session: Session, job_id: str, state: str, now: datetime, *, result: dict[str, Any] | None, error: str | None = None
) -> bool:
    """Close a running job as done or failed; False when it was closed before."""
    values: dict[str, Any] = {"state": state, "finished_at": now, "heartbeat_at": now, "error": error}
    if result is not None:
        values["result"] = result
    if state == "done":
        values["progress"] = 1.0
    return _touched(session, update(Job).where(Job.id == job_id, Job.state.in_(OPEN_STATES)).values(**values))


def cancel_job(session: Session, job_id: str, now: datetime) -> bool:
    """Close a job that is not closed yet; its worker notices at its next heartbeat."""
    statement = update(Job).where(Job.id == job_id, Job.state.in_(OPEN_STATES))
    return _touched(session, statement.values(state="cancelled", finished_at=now))


def beat_worker(session: Session, name: str, started_at: datetime, now: datetime, status: dict[str, Any]) -> None:
    """Say that a worker process is alive."""
    session.merge(Worker(name=name, started_at=started_at, heartbeat_at=now, status=status))


def remove_worker(session: Session, name: str) -> None:
    """A worker that ended by itself leaves no row behind."""
    found = session.get(Worker, name)
    if found is not None:
        session.delete(found)


def list_workers(session: Session, *, limit: int = 100) -> list[Worker]:
    """Workers, the one heard of last first."""
    return list(session.scalars(select(Worker).order_by(Worker.heartbeat_at.desc()).limit(limit)))


def remove_silent_workers(session: Session, before: datetime) -> None:
    """Forget workers that have not been heard of for long."""
    for worker in session.scalars(select(Worker).where(Worker.heartbeat_at < before)):
        session.delete(worker)


def _touched(session: Session, statement: Any) -> bool:
    answer = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(answer, CursorResult)
    return bool(answer.rowcount)

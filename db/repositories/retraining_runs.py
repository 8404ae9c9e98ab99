"""Retraining runs: what was asked, how it goes, what came of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models.learn import RetrainingRun


def get_run(session: Session, run_id: str) -> RetrainingRun | None:
    return session.get(RetrainingRun, run_id)


def find_run_of_job(session: Session, job_id: str) -> RetrainingRun | None:
    return session.scalars(select(RetrainingRun).where(RetrainingRun.job_id == job_id)).one_or_none()


def lock_run(session: Session, run_id: str) -> RetrainingRun:
    """The run, locked until commit and read afresh."""
    query = select(RetrainingRun).where(RetrainingRun.id == run_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def list_runs(
    session: Session, model_id: str, *, before_id: str | None = None, limit: int = 100
) -> list[RetrainingRun]:
    """Runs of a model, newest first; ids are ordered by time."""
    query = select(RetrainingRun).where(RetrainingRun.model_id == model_id).order_by(RetrainingRun.id.desc())
    if before_id is not None:
        query = query.where(RetrainingRun.id < before_id)
    return list(session.scalars(query.limit(limit)))


def add_run(session: Session, run: RetrainingRun) -> RetrainingRun:
    session.add(run)
    session.flush()
    return run


def add_history(session: Session, run_id: str, row: dict[str, Any]) -> None:
    """Keep the row of one epoch; an epoch that is trained again after a restart replaces its first row."""
    run = session.get(RetrainingRun, run_id)
    if run is not None:
        kept = [known for known in run.history if known["epoch"] < row["epoch"]]
        run.history = [*kept, row]

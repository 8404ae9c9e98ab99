"""POST, list and read retraining runs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query
from sqlalchemy.orm import Session

from backend.deps import Me, Reader, Writer, allow, guarded_router
from backend.jobs.service import read_jobs
from backend.models.service import require_model
from backend.retraining import service
from backend.retraining.schemas import RetrainingCreate, RetrainingRunInfo
from db.models.learn import RetrainingRun
from db.models.model import Model
from db.repositories import datasets, jobs, retraining_runs

router = guarded_router("/v1/retraining-runs", "runs:read")


@router.post("", response_model=RetrainingRunInfo, status_code=202, dependencies=[Depends(allow("runs:write"))])
def create_run(wish: RetrainingCreate, me: Me, session: Writer) -> Any:
    """Queue a run; watch its `job`. When it is done the new version stands in shadow."""
    run, model = service.request_run(session, me, wish)
    return _read(session, run, model)


@router.get("", response_model=list[RetrainingRunInfo])
def list_runs(
    model: Annotated[str, Query(min_length=1, max_length=100)],
    me: Me,
    session: Reader,
    before_id: Annotated[str | None, Query(max_length=36, pattern="^[0-9a-f-]*$")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
) -> Any:
    """Runs of a model, newest first."""
    found = require_model(session, me, model)
    rows = retraining_runs.list_runs(session, found.id, before_id=before_id or None, limit=limit)
    return [_read(session, row, found) for row in rows]


@router.get("/{run_id}", response_model=RetrainingRunInfo)
def get_run(run_id: str, me: Me, session: Reader) -> Any:
    """One run with its progress, its epochs, and its measures beside the parent's."""
    return _read(session, *service.require_run(session, me, run_id))


def _read(session: Session, run: RetrainingRun, model: Model) -> RetrainingRunInfo:
    job, dataset = jobs.get_job(session, run.job_id), datasets.get_dataset(session, run.dataset_id)
    assert job is not None
    assert dataset is not None
    own = {"model", "dataset_name", "job"}
    return RetrainingRunInfo(
        **{name: getattr(run, name) for name in RetrainingRunInfo.model_fields if name not in own},
        model=model.name,
        dataset_name=dataset.name,
        job=read_jobs(session, [job])[0],
    )

"""The last turn of the demonstration's loop: a dataset of the people's labels, and a version retrained on it."""

from __future__ import annotations

from typing import Any

from backend.auth.rules import Principal
from backend.commands.context import Failed
from backend.datasets.schemas import DatasetCreate
from backend.datasets.service import request_dataset
from backend.demo.story import MODEL
from backend.retraining.schemas import RetrainingCreate
from backend.retraining.service import request_run
from backend.settings import Settings
from backend.worker.jobs import JobRunner
from db.artifact_store import ArtifactStore
from db.engine import Database
from db.models.model import Model
from db.repositories import jobs

DATASET = "first-month"
RETRAINED = "2.1"


def learn_from_people(
    settings: Settings, database: Database, store: ArtifactStore, model: Model, me: Principal, epochs: int
) -> dict[str, Any]:
    """Build the dataset and the version as the worker's jobs do; returns facts about both."""
    runner = JobRunner(settings, database, store)
    with database.write() as session:
        job = request_dataset(session, me, model, DatasetCreate(model=MODEL, name=DATASET))
    built = _finish(runner, job.id)
    wish = RetrainingCreate(
        dataset_id=built["dataset_id"], parent_version="2.0", new_version=RETRAINED, epochs=epochs, rng_seed=3
    )
    with database.write() as session:
        run, _ = request_run(session, me, wish)
    trained = _finish(runner, run.job_id)["trained"]
    new, parent = trained["metrics"]["new"], trained["metrics"]["parent"]
    return {
        "n_dataset_items": built["n_items"],
        "accuracy_2.1_held_out": new["accuracy"],
        "accuracy_2.0_held_out": parent["accuracy"],
    }


def _finish(runner: JobRunner, job_id: str) -> dict[str, Any]:
    runner.perform(job_id)
    with runner.database.read() as session:
        job = jobs.get_job(session, job_id)
    if job is None or job.state != "done":
        raise Failed(f"a job of the demonstration failed: {job.error if job else 'it is gone'}")
    return job.result

"""A retraining run inside the worker: train in a process of its own, then register the version exactly once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from backend.retraining.child import Task, main
from backend.settings import Settings
from backend.worker.children import ChildFailed, Watch, supervise
from db.base import utc_now
from db.engine import Database
from db.models.learn import Dataset, RetrainingRun
from db.models.model import Artifact, Model, ModelVersion, Rollout
from db.repositories import (
    artifacts,
    audit,
    datasets,
    jobs,
    model_versions,
    models,
    retraining_runs,
    rollouts,
)

#: The most that a rollout may name; the oldest shadow makes room for a new one.
MAX_CHALLENGERS = 10


class TrainingFailed(RuntimeError):
    """The training said what went wrong, or died."""


class Withdrawn(RuntimeError):
    """The job was cancelled while its version was being registered; nothing of it is kept."""


def train(database: Database, settings: Settings, job_id: str, watch: Watch) -> dict[str, Any]:
    """Train the run of a job; what was trained, with the file in the artifact store. Raises TrainingFailed."""
    with database.read() as session:
        run, dataset, parent = _load(session, job_id)
        model = models.get_model(session, run.model_id)
        task = Task(
            artifacts_uri=settings.artifacts_uri,
            dataset_path=dataset.path,
            parent_sha256=parent.artifact_sha256 or "",
            signature=parent.signature,
            epochs=int(run.parameters["epochs"]),
            learning_rate=run.parameters["learning_rate"],
            rng_seed=int(run.parameters["rng_seed"]),
            threads=settings.retraining_threads,
            ok_labels=_ok_labels(model),
            max_image_pixels=settings.max_image_pixels,
        )
    watch.message(f"training {run.parent_version} further on {dataset.name}: {dataset.n_items} items")

    def keep(row: dict[str, Any]) -> None:
        with database.write() as session:
            retraining_runs.add_history(session, run.id, row)

    return _supervise(task, watch, keep)


def _ok_labels(model: Model | None) -> list[str] | None:
    """The labels without a defect, where the model says which ones have one."""
    labels = model.labels if model is not None else []
    fine = [str(label["name"]) for label in labels if not label.get("is_defect")]
    return fine if len(fine) < len(labels) else None


def _supervise(task: Task, watch: Watch, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    def tell(fraction: float, epoch: int, row: dict[str, Any]) -> None:
        watch.tell(0.95 * fraction, f"epoch {epoch}/{task.epochs}" if epoch else "reading_pictures")
        if row:
            keep(row)

    try:
        outcome: dict[str, Any] = supervise(main, task, watch, tell, name="soi-training")
    except ChildFailed as error:
        raise TrainingFailed(str(error)) from error
    return outcome


def register(database: Database, job_id: str, trained: dict[str, Any]) -> dict[str, Any]:
    """In one transaction: the file, the version, its place in shadow, and the end of the job. Never twice."""
    with database.write() as session:
        run, dataset, parent = _load(session, job_id)
        run = retraining_runs.lock_run(session, run.id)
        model = models.lock_model(session, run.model_id)
        if run.new_version is not None:
            return {"version": run.new_version, "run_id": run.id}
        _add_file(session, run, trained)
        name = run.parameters["new_version"] or next_name(session, model)
        version = ModelVersion(
            model_id=model.id,
            name=name,
            kind="torchscript",
            artifact_sha256=trained["artifact_sha256"],
            signature=trained["signature"],
            metrics=trained["metrics"]["new"],
            notes="",
            parent_id=parent.id,
            dataset_id=dataset.id,
            retraining_run_id=run.id,
            created_by=run.created_by,
        )
        model_versions.add_version(session, version)
        run.new_version, run.metrics, run.history = name, trained["metrics"], trained["history"]
        result = {"version": name, "run_id": run.id, "trained": trained}
        if run.parameters["put_in_shadow"]:
            result["rollout"] = _put_in_shadow(session, model, run, name).id
        if not jobs.finish_job(session, job_id, "done", utc_now(), result=result):
            raise Withdrawn(job_id)
        jobs.add_message(session, job_id, f"registered {name}")
        details = {"run": run.id, "artifact": trained["artifact_sha256"]}
        audit.record(session, run.created_by, "version.created", f"version:{model.name}/{name}", details)
        return result


def next_name(session: Session, model: Model) -> str:
    """The next free name of the form v<n>."""
    taken = [version.name for version in model_versions.list_versions(session, model.id, limit=1000)]
    numbers = [int(found[1]) for name in taken if (found := re.fullmatch(r"v(\d{1,9})", name))]
    return f"v{max(numbers, default=0) + 1}"


def _load(session: Session, job_id: str) -> tuple[RetrainingRun, Dataset, ModelVersion]:
    run = retraining_runs.find_run_of_job(session, job_id)
    dataset = datasets.get_dataset(session, run.dataset_id) if run else None
    parent = model_versions.find_version(session, run.model_id, run.parent_version) if run else None
    if run is None or dataset is None or parent is None:
        raise TrainingFailed("the run, its dataset or its parent version is gone")
    return run, dataset, parent


def _add_file(session: Session, run: RetrainingRun, trained: dict[str, Any]) -> None:
    file = Artifact(
        sha256=trained["artifact_sha256"],
        kind="model",
        media_type="application/x-torchscript",
        n_bytes=trained["n_bytes"],
        created_by=run.created_by,
        has_thumbnail=False,
        created_at=utc_now(),
    )
    artifacts.add_artifact(session, file)


def _put_in_shadow(session: Session, model: Model, run: RetrainingRun, name: str) -> Rollout:
    """A new rollout like the one in force, with the new version in shadow beside it."""
    before = rollouts.current_rollout(session, model.id)
    shadow = {"version": name, "mode": "shadow", "share": 1.0, "segments": None}
    others = list(before.challengers) if before else []
    while len(others) >= MAX_CHALLENGERS and (oldest := next((o for o in others if o["mode"] == "shadow"), None)):
        others.remove(oldest)
    row = Rollout(
        model_id=model.id,
        champion=before.champion if before else run.parent_version,
        challengers=[*others, shadow],
        automation_level=before.automation_level if before else "shadow",
        sticky_key=before.sticky_key if before else None,
        reason=f"{name} was trained further from {run.parent_version}: watch it in shadow",
        created_by=run.created_by,
    )
    rollouts.add_rollout(session, row)
    details = {"rollout": row.id, "run": run.id, "challengers": [one["version"] for one in row.challengers]}
    audit.record(session, run.created_by, "rollout.created", f"model:{model.name}", details, row.reason)
    return row

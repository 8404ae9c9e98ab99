"""Asking for a retraining run: everything that can be known to fail is refused before a job is queued."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Conflict, Invalid, NotFound
from backend.retraining.schemas import RetrainingCreate
from db.base import new_id
from db.engine import WriteSession
from db.models.learn import Dataset, Job, RetrainingRun
from db.models.model import Model
from db.repositories import audit, datasets, jobs, model_versions, models, retraining_runs


def require_dataset(session: Session, me: Principal, dataset_id: str) -> tuple[Dataset, Model]:
    """The dataset with its model; NotFound also for one of a model that this principal may not use."""
    dataset = datasets.get_dataset(session, dataset_id)
    model = models.get_model(session, dataset.model_id) if dataset else None
    if dataset is None or model is None or not me.may_use_model(model.name):
        raise NotFound("there is no such dataset", details={"dataset": dataset_id})
    return dataset, model


def require_run(session: Session, me: Principal, run_id: str) -> tuple[RetrainingRun, Model]:
    """The run with its model; NotFound also for one of a model that this principal may not use."""
    run = retraining_runs.get_run(session, run_id)
    model = models.get_model(session, run.model_id) if run else None
    if run is None or model is None or not me.may_use_model(model.name):
        raise NotFound("there is no such retraining run", details={"run": run_id})
    return run, model


def request_run(session: WriteSession, me: Principal, wish: RetrainingCreate) -> tuple[RetrainingRun, Model]:
    """Queue a run; the same request twice gives the same run while that is not finished."""
    dataset, model = require_dataset(session, me, wish.dataset_id)
    models.lock_model(session, model.id)
    _check(session, model, dataset, wish)
    parameters = wish.model_dump(mode="json")
    running = jobs.find_open_job(session, model.id, "retraining", parameters)
    if running is not None:
        known = retraining_runs.find_run_of_job(session, running.id)
        if known is not None:
            return known, model
    if wish.new_version and model_versions.find_version(session, model.id, wish.new_version) is not None:
        raise Conflict("this model has a version of this name", code="name_taken", details={"name": wish.new_version})
    job = Job(id=new_id(), kind="retraining", model_id=model.id, parameters=parameters, created_by=me.actor)
    jobs.add_job(session, job)
    run = RetrainingRun(
        model_id=model.id,
        job_id=job.id,
        dataset_id=dataset.id,
        parent_version=wish.parent_version,
        parameters=parameters,
        created_by=me.actor,
    )
    retraining_runs.add_run(session, run)
    audit.record(session, me.actor, "retraining.requested", f"model:{model.name}", {"run": run.id, **parameters})
    return run, model


def _check(session: Session, model: Model, dataset: Dataset, wish: RetrainingCreate) -> None:
    parent = model_versions.find_version(session, model.id, wish.parent_version)
    if parent is None:
        details = {"version": wish.parent_version}
        raise Invalid("this model has no such version", code="version_unknown", details=details)
    outputs = parent.signature.get("outputs") or []
    read = parent.signature.get("input") or {}
    if parent.kind != "torchscript" or read.get("kind") != "image" or not read.get("with_golden"):
        raise Invalid(
            "only a TorchScript version that compares an image with its golden sample can be fine-tuned here",
            code="parent_unfit",
        )
    trained_on = set(dataset.manifest["splits"]["train"])
    if len(trained_on) < 2:
        raise Invalid("the dataset's training part has fewer than two labels", code="one_label_only")
    unknown = sorted(set(dataset.manifest["labels"]) - set(outputs))
    if unknown:
        raise Invalid(
            "the parent version cannot answer all labels of the dataset",
            code="labels_unknown",
            details={"labels": unknown},
        )

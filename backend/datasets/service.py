"""Asking for a snapshot and reading what there is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.datasets.schemas import DatasetCreate, DatasetInfo
from backend.errors import Conflict, Invalid, NotFound
from db.base import new_id, utc_now
from db.engine import WriteSession
from db.models.learn import Dataset, Job
from db.models.model import Model
from db.repositories import audit, datasets, jobs, models
from db.repositories.labelled_data import LabelFilter, count_labels


def require_dataset(session: Session, me: Principal, dataset_id: str) -> tuple[Dataset, Model]:
    """The snapshot with its model; NotFound also for one of a model that this principal may not use."""
    dataset = datasets.get_dataset(session, dataset_id)
    model = models.get_model(session, dataset.model_id) if dataset else None
    if dataset is None or model is None or not me.may_use_model(model.name):
        raise NotFound("there is no such dataset", details={"dataset": dataset_id})
    return dataset, model


def request_dataset(session: WriteSession, me: Principal, model: Model, wish: DatasetCreate) -> Job:
    """Queue the build of a snapshot; the same request twice gives the same job while that is not finished."""
    models.lock_model(session, model.id)
    request = wish.model_dump(mode="json")
    running = _open_request(session, model, request)
    if running is not None:
        return running
    if wish.name is not None and datasets.find_dataset(session, model.id, wish.name) is not None:
        raise Conflict("this model has a dataset of this name", code="name_taken", details={"name": wish.name})
    if wish.parent is not None:
        parent, _ = require_dataset(session, me, wish.parent)
        if parent.model_id != model.id:
            raise Invalid("the parent is a dataset of another model", code="bad_parent")
    n_items = sum(count_labels(session, model.id, filter_of(request["filters"])).values())
    if n_items == 0:
        raise Invalid("no labelled item fits the filter: there is nothing to snapshot", code="no_labels")
    now = utc_now()
    parameters = {
        "request": request,
        "dataset_id": new_id(),
        "name": wish.name or f"labels-{now:%Y%m%d-%H%M%S-%f}",
        "n_expected": n_items,
    }
    job = jobs.add_job(session, Job(kind="dataset", model_id=model.id, parameters=parameters, created_by=me.actor))
    audit.record(session, me.actor, "dataset.requested", f"model:{model.name}", {"job": job.id, **request})
    return job


def filter_of(filters: dict[str, Any]) -> LabelFilter:
    """The filter of a stored request."""
    start, end = filters.get("start"), filters.get("end")
    return LabelFilter(
        start=datetime.fromisoformat(start) if start else None,
        end=datetime.fromisoformat(end) if end else None,
        labels=tuple(filters.get("labels", [])),
        methods=tuple(filters.get("methods", [])),
        segments=tuple(sorted(filters.get("segments", {}).items())),
        disagreement_only=bool(filters.get("disagreement_only")),
    )


def read_dataset(dataset: Dataset, model: Model) -> DatasetInfo:
    """A snapshot as the API shows it."""
    columns = [name for name in DatasetInfo.model_fields if name != "model"]
    return DatasetInfo(**{name: getattr(dataset, name) for name in columns}, model=model.name)


def _open_request(session: Session, model: Model, request: dict[str, Any]) -> Job | None:
    for state in jobs.OPEN_STATES:
        for job in jobs.list_jobs(session, kind="dataset", state=state, model_ids=[model.id]):
            if job.parameters.get("request") == request:
                return job
            if request["name"] and job.parameters.get("name") == request["name"]:
                raise Conflict("a dataset of this name is being built", code="name_taken")
    return None

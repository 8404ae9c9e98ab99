"""Vectors in, drift on them out, and runs that make vectors where callers send none. No SQL, no HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.embeddings import drift, schemas
from backend.embeddings.schemas import ItemVector, VectorRefused, VectorsStored
from backend.errors import Invalid
from db.base import new_id, utc_now
from db.engine import Database, WriteSession
from db.eventlog.log import EventLog
from db.models.learn import Job
from db.models.model import Model
from db.repositories import artifacts, audit, embeddings, jobs, models

#: Kinds of items that our own encoders take.
ENCODED_KINDS = ("image", "audio", "text")
#: How soon after the last run the worker asks for another one by itself.
RUN_EVERY = timedelta(hours=24)


def store(
    database: Database, eventlog: EventLog, model: Model, encoder: str, sent: Sequence[ItemVector]
) -> VectorsStored:
    """Store vectors of known items; the others are refused one by one with the reason."""
    ids = [one.event_id for one in sent if one.event_id is not None]
    events = {row["event_id"]: row for row in eventlog.find_many(model.id, ids).to_pylist()} if ids else {}
    refused: list[VectorRefused] = []
    with database.write() as session:
        models.lock_model(session, model.id)
        n_dims = embeddings.n_dims_of(session, model.id, encoder) or len(sent[0].vector)
        files = artifacts.find_artifacts(session, {one.artifact for one in sent if one.artifact is not None})
        rows: dict[str, dict[str, Any]] = {}
        for index, one in enumerate(sent):
            found = _row(one, events.get(one.event_id or ""), files.get(one.artifact or ""))
            if found is None:
                message = "neither a logged prediction nor a stored file: give happened_at, or log it first"
                refused.append(VectorRefused(index=index, code="unknown_item", message=message))
            elif len(one.vector) != n_dims:
                message = f"vectors of this encoder have {n_dims} numbers"
                refused.append(VectorRefused(index=index, code="other_length", message=message))
            else:
                place = {"model_id": model.id, "encoder": encoder, "n_dims": n_dims}
                rows[found["item_key"]] = {**found, **place, "vector": as_bytes(one.vector)}
        embeddings.put_embeddings(session, list(rows.values()))
    return VectorsStored(n_stored=len(sent) - len(refused), n_refused=len(refused), refused=refused)


def _row(one: ItemVector, event: dict[str, Any] | None, file: Any) -> dict[str, Any] | None:
    at = one.happened_at or (event["happened_at"] if event else file.created_at if file else None)
    if at is None:
        return None
    pictures = (event or {}).get("artifacts") or []
    return {
        "item_key": one.event_id or f"artifact:{one.artifact}",
        "event_id": one.event_id,
        "artifact_sha256": one.artifact or (pictures[0] if pictures else None),
        "version": event["version"] if event else None,
        "happened_at": at.astimezone(UTC),
    }


def as_bytes(vector: Any) -> bytes:
    """How a vector is stored."""
    return np.asarray(vector, dtype="<f4").tobytes()


def list_encoders(session: Session, model: Model) -> list[schemas.EncoderOut]:
    """What vectors a model has."""
    rows = embeddings.list_encoders(session, model.id)
    return [
        schemas.EncoderOut(encoder=name, n_dims=n_dims, n=n, first_at=first, last_at=last)
        for name, n_dims, n, first, last in rows
    ]


def measure_drift(
    database: Database,
    model: Model,
    window: tuple[datetime, datetime],
    reference: tuple[datetime, datetime] | None,
    *,
    encoder: str | None,
    version: str | None,
    alpha: float,
) -> schemas.EmbeddingDrift:
    """The window against the reference (by default the equally long time before it)."""
    start, end = window
    low, high = reference or (start - (end - start), start)
    if end <= start or high <= low:
        raise Invalid("the range ends before it begins")
    with database.read() as session:
        known = embeddings.list_encoders(session, model.id)
        chosen = encoder or (known[0][0] if known else "")
        if encoder is not None and encoder not in {row[0] for row in known}:
            raise Invalid("this model has no vectors of this encoder", details={"known": [row[0] for row in known]})
        new = _items(session, model, chosen, start, end, version)
        old = _items(session, model, chosen, low, high, version)
        asked = drift.Asked(model.name, chosen, start, end, low, high, alpha)
        found = drift.measure(asked, new, old, lambda ids: embeddings.load_vectors(session, ids))
    return found if known else found.model_copy(update={"encoder": None})


def _items(
    session: Session, model: Model, encoder: str, start: datetime, end: datetime, version: str | None
) -> list[drift.Item]:
    rows = embeddings.list_items(session, model.id, encoder, start, end, version=version)
    return [drift.Item(*row) for row in rows]


def request_run(session: WriteSession, me: Principal, model: Model, *, days: int, per_day: int) -> Job:
    """Queue a run; the same request twice gives the same job while that is not finished."""
    if model.item_kind not in ENCODED_KINDS:
        raise Invalid("only images, sounds and texts are encoded", details={"item_kind": model.item_kind})
    models.lock_model(session, model.id)
    parameters = {"days": days, "per_day": per_day}
    running = jobs.find_open_job(session, model.id, "embedding", parameters)
    if running is not None:
        return running
    job = Job(id=new_id(), kind="embedding", model_id=model.id, parameters=parameters, created_by=me.actor)
    jobs.add_job(session, job)
    audit.record(session, me.actor, "embeddings.requested", f"model:{model.name}", parameters)
    return job


def queue_due(database: Database, per_day: int) -> int:
    """The worker's own wish: a run for every model of media with new predictions, once a day; how many were queued."""
    if per_day == 0:
        return 0
    now, n_queued = utc_now(), 0
    with database.read() as session:
        wanted = [model for model in models.list_models(session, limit=1000) if model.item_kind in ENCODED_KINDS]
        due = [model for model in wanted if _is_due(session, model, now)]
    for model in due:
        with database.write() as session:
            parameters = {"days": 2, "per_day": per_day}
            job = Job(id=new_id(), kind="embedding", model_id=model.id, parameters=parameters, created_by="worker")
            jobs.add_job(session, job)
        n_queued += 1
    return n_queued


def _is_due(session: Session, model: Model, now: datetime) -> bool:
    last = embeddings.last_run_at(session, model.id)
    return (last is None or now - last >= RUN_EVERY) and embeddings.has_events_since(session, model.id, now - RUN_EVERY)

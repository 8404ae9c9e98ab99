"""Making, choosing and deleting references. What is frozen: bins, counts and a sample of rows."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.drift.schemas import ReferenceCreate, ReferenceOut, ReferencePatch
from backend.drift.training_file import read_training_file
from backend.errors import Conflict, Invalid, NotFound
from db.analytics.feature_rows import sample_rows
from db.analytics.feature_windows import Slice, align_hours
from db.base import new_id
from db.engine import Database, WriteSession
from db.eventlog.feature_history import begin
from db.eventlog.feature_profile import MAX_BINS, Profile, make_profile, watched_columns
from db.eventlog.log import EventLog
from db.eventlog.schema import spec_of
from db.models.drift import DriftReference
from db.models.model import Model
from db.repositories import audit, drift_references, event_batches, models

#: Each costs every seal a count of its events.
MAX_REFERENCES = 4
#: Rows that a profile is made from: a larger window or file is sampled evenly, which adds 1 / 100,000 to the noise.
MAX_ROWS = 100_000
MIN_ROWS = 30
SAMPLE_ROWS = 2_000


def require_reference(session: Session, me: Principal, reference_id: str) -> tuple[DriftReference, Model]:
    """The reference with its model; NotFound also for one of a model that this principal may not use."""
    reference = drift_references.get_reference(session, reference_id)
    model = models.get_model(session, reference.model_id) if reference else None
    if reference is None or model is None or not me.may_use_model(model.name):
        raise NotFound("there is no such reference", details={"reference": reference_id})
    return reference, model


def create_from_log(
    database: Database, eventlog: EventLog, actor: str, model: Model, wish: ReferenceCreate, now: datetime
) -> DriftReference:
    """Freeze logged events: of a window, or of the past weeks whose hours will be compared with."""
    spec = spec_of(model)
    if wish.kind == "weeks":
        start, end = align_hours(now - timedelta(weeks=wish.weeks), now)
    else:
        assert wish.start is not None
        assert wish.end is not None
        start, end = align_hours(wish.start, wish.end)
    columns = watched_columns(spec)
    table, n_rows = sample_rows(eventlog, spec, start, end, columns, Slice(version=wish.version), MAX_ROWS)
    if n_rows == 0:
        raise Invalid("nothing was logged in this window: there is nothing to freeze", code="reference_empty")
    facts = {"start": start.isoformat(), "end": end.isoformat(), "version": wish.version, "n_sampled": table.num_rows}
    if wish.kind == "weeks":
        facts["weeks"] = wish.weeks
    return _freeze(
        database, eventlog, actor, model, table, columns, n_rows, wish.kind, wish.name, facts, wish.make_current
    )


def create_from_file(
    database: Database,
    eventlog: EventLog,
    actor: str,
    model: Model,
    path: Path,
    *,
    name: str | None = None,
    file_name: str = "",
    make_current: bool = True,
) -> DriftReference:
    """Freeze training data from a CSV or Parquet file; columns are inputs by name, or stored columns (score, ...)."""
    spec = spec_of(model)
    read = read_training_file(path, spec, max_rows=MAX_ROWS)
    facts = {"file": file_name[:200], "left_out": read.left_out[:200], "n_sampled": read.table.num_rows}
    columns = read.table.schema.names
    return _freeze(
        database, eventlog, actor, model, read.table, columns, read.n_rows, "upload", name, facts, make_current
    )


def _freeze(
    database: Database,
    eventlog: EventLog,
    actor: str,
    model: Model,
    table: pa.Table,
    columns: list[str],
    n_rows: int,
    kind: str,
    name: str | None,
    facts: dict[str, Any],
    make_current: bool,
) -> DriftReference:
    profile = make_profile(table, columns)
    _check_usable(profile, n_rows)
    facts["features"] = list(profile.columns)
    facts["notes"] = {bins.column: bins.note for bins in profile.features if bins.note}
    reference = DriftReference(
        id=new_id(),
        model_id=model.id,
        kind=kind,
        n_rows=n_rows,
        profile=profile.encode(),
        sample=_sample(table),
        facts=facts,
        created_by=actor,
    )
    with database.write() as session:
        event_batches.lock_model(session, model.id)
        if len(drift_references.ids_of(session, model.id)) >= MAX_REFERENCES:
            raise Conflict(
                f"a model keeps {MAX_REFERENCES} references at most: delete one first", code="too_many_references"
            )
        reference.number = drift_references.next_number(session, model.id)
        reference.name = name or f"{kind} {reference.number}"
        drift_references.add_reference(session, reference)
        begin(session, eventlog.lake, reference)
        if make_current:
            drift_references.make_current(session, model.id, reference.id)
            reference.is_current = True
        details = {"reference": reference.id, "kind": kind, "n_rows": n_rows}
        audit.record(session, actor, "drift_reference.created", f"model:{model.name}", details)
    return reference


def _check_usable(profile: Profile, n_rows: int) -> None:
    if n_rows < MIN_ROWS:
        raise Invalid(
            f"a reference of {n_rows} rows says nothing: it needs {MIN_ROWS} or more",
            code="reference_too_small",
            details={"n_rows": n_rows, "n_needed": MIN_ROWS},
        )
    if not profile.features:
        raise Invalid("none of the columns is a feature of this model", code="no_features")
    if all(bins.note == "all_null" for bins in profile.features):
        raise Invalid("every column of the reference is empty", code="reference_all_null")
    if profile.n_bins > MAX_BINS:
        raise Invalid("this model has too many features to be watched together", code="too_many_features")


def _sample(table: pa.Table) -> bytes:
    """Evenly chosen rows as Parquet, for what needs rows later."""
    step = max(1, -(-table.num_rows // SAMPLE_ROWS))
    sink = io.BytesIO()
    import pyarrow.parquet as pq  # brings Arrow's file systems along: only for those who freeze a reference

    pq.write_table(table.take(pa.array(range(0, table.num_rows, step))), sink, compression="zstd")
    return sink.getvalue()


def change_reference(
    session: WriteSession, me: Principal, reference: DriftReference, model: Model, patch: ReferencePatch
) -> DriftReference:
    """Another name, or the current one from now on."""
    event_batches.lock_model(session, model.id)
    if patch.name is not None:
        reference.name = patch.name
    if patch.is_current:
        drift_references.make_current(session, model.id, reference.id)
        session.refresh(reference, ["is_current"])
    session.flush()
    details = {"reference": reference.id, **patch.model_dump(exclude_unset=True)}
    audit.record(session, me.actor, "drift_reference.changed", f"model:{model.name}", details)
    return reference


def delete_reference(session: WriteSession, me: Principal, reference: DriftReference, model: Model) -> None:
    """Forget a reference with all counts on its bins."""
    event_batches.lock_model(session, model.id)
    details = {"reference": reference.id, "number": reference.number, "name": reference.name}
    session.delete(reference)
    session.flush()
    audit.record(session, me.actor, "drift_reference.deleted", f"model:{model.name}", details)


def read_reference(reference: DriftReference, model: Model) -> ReferenceOut:
    """A reference as the API shows it."""
    facts = reference.facts
    n_files = reference.n_files
    return ReferenceOut(
        **{
            key: getattr(reference, key)
            for key in (
                "id",
                "number",
                "name",
                "kind",
                "is_current",
                "n_rows",
                "state",
                "counted_from_at",
                "created_by",
                "created_at",
            )
        },
        model=model.name,
        features=facts.get("features", []),
        notes=facts.get("notes", {}),
        left_out=facts.get("left_out", []),
        start=facts.get("start"),
        end=facts.get("end"),
        weeks=facts.get("weeks"),
        version=facts.get("version"),
        progress=1.0 if reference.state == "ready" or not n_files else reference.n_files_done / n_files,
    )

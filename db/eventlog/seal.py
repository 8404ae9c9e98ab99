"""Sealing: hot batches move into the lake exactly once, with their roll-ups. Called by the worker.

Claim (committed) -> append to the Delta table with the seal's number as application transaction -> one SQL
transaction adds roll-ups and the id run and marks the seal done, which takes its batches out of the hot ones -> their
rows are deleted in small transactions. A crash anywhere resumes: whoever comes next takes the lease over, and appends
only if the table does not hold the number yet; rows that were left are deleted after the next seal.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import structlog
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from db.base import utc_now
from db.engine import Database
from db.eventlog import payload
from db.eventlog.charts import add_rollups
from db.eventlog.columns import align, stack, widest
from db.eventlog.delta_log import PARTITION
from db.eventlog.feature_store import add_sealed, count_sealed
from db.eventlog.id_runs import delete_unused, merge_runs, write_run
from db.eventlog.ids import Hashes
from db.eventlog.lake import Lake
from db.eventlog.media import with_media
from db.eventlog.parquet import with_partition, writer_properties
from db.eventlog.rollup import summarise_events
from db.eventlog.schema import ModelSpec, spec_of
from db.models.model import Model
from db.repositories import event_batches, seals

log = structlog.get_logger("soi.eventlog")

#: Events of one seal at most: keeps memory and the write lock of the last step small.
SLICE_ROWS = 250_000
#: Events whose rows are deleted at once: freeing a megabyte of payload takes SQLite's write lock for a millisecond or
#: more, and a whole slice deleted in one go kept the door waiting for hundreds.
DELETE_EVENTS = 50_000
LEASE = timedelta(seconds=120)
APP_ID = "soi-seal"
#: A day's partition with more files than this is compacted without waiting for the night.
MAX_DAY_FILES = 48
KEEP_OLD_FILES_H = 24


class LeaseLost(RuntimeError):
    """Another worker took this seal over; what was done here is void or was done by both alike."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A seal that this owner may carry out."""

    seal_id: int
    last_batch_id: int


def seal(
    database: Database,
    lake_uri: str,
    model_id: str,
    *,
    owner: str,
    up_to_batch_id: int | None = None,
    max_rows: int = SLICE_ROWS,
) -> int:
    """Move the oldest hot events of a model into the lake and return how many; 0 when there is nothing to do.

    `up_to_batch_id` keeps later batches hot. Call again while it returns more than zero.
    """
    lake = Lake(lake_uri)
    claim = _claim(database, model_id, owner, up_to_batch_id, max_rows)
    if claim is None:
        return 0
    with database.read() as session:
        found = seals.claimed_payloads(session, model_id, claim.last_batch_id)
        spec = spec_of(session.get_one(Model, model_id))
    if not found:  # a compaction that was cut off
        _finish_empty(database, lake, model_id, claim, owner)
        return 0
    table = with_media(database, _decode([blob for blob, _ in found], spec), spec)
    hashes = np.concatenate([np.frombuffer(blob, dtype="<u8") for _, blob in found])
    version = _append(lake, model_id, claim.seal_id, table)
    _finish(database, lake, spec, claim, owner, table, hashes, version)
    _delete_sealed(database, model_id)
    merge_runs(database, lake, model_id)
    return int(table.num_rows)


def _claim(database: Database, model_id: str, owner: str, up_to_batch_id: int | None, max_rows: int) -> Claim | None:
    now = utc_now()
    with database.read() as session:  # thousands of small batches: not under the write lock
        portion = seals.next_portion(session, model_id, max_rows, up_to_batch_id)
    with database.write() as session:
        event_batches.lock_model(session, model_id)
        running = seals.open_seal(session, model_id)
        if running is not None:
            if running.owner != owner and running.lease_until > now:
                return None
            running.owner, running.lease_until = owner, now + LEASE
            session.flush()
            return Claim(running.id, running.last_batch_id or 0)
        if portion is not None and portion.after_id != seals.last_sealed(session, model_id):  # somebody sealed it
            portion = seals.next_portion(session, model_id, max_rows, up_to_batch_id)
        if portion is None:
            return None
        lease, n_events = now + LEASE, portion.n_events
        made = seals.add_seal(session, model_id, owner, lease, last_batch_id=portion.last_id, n_events=n_events)
        return Claim(made.id, portion.last_id)


def _decode(payloads: list[bytes], spec: ModelSpec) -> pa.Table:
    tables = [payload.decode(blob) for blob in payloads]
    return stack(tables, widest([*(table.schema for table in tables), spec.stored]))


def _append(lake: Lake, model_id: str, seal_id: int, table: pa.Table) -> int:
    """Append unless the table holds this seal already; returns the table's version that holds it."""
    uri = lake.table_uri(model_id)
    delta = open_delta(uri)
    if delta is not None and (delta.transaction_version(APP_ID) or 0) >= seal_id:
        return int(delta.version())
    if delta is None:
        lake.make_folder(uri)
    ready = with_partition(fit_types(table, delta))
    try:
        write_deltalake(
            delta if delta is not None else uri,
            ready,
            partition_by=[PARTITION],
            mode="append",
            schema_mode="merge",
            writer_properties=writer_properties(table.schema),
            commit_properties=CommitProperties(app_transactions=[Transaction(APP_ID, seal_id)], max_commit_retries=0),
        )
    except CommitFailedError as error:
        raise LeaseLost(f"another worker wrote to the table of model {model_id}") from error
    return int(DeltaTable(uri).version())


def open_delta(uri: str) -> DeltaTable | None:
    """The table as it is now, or None before the first seal."""
    try:
        return DeltaTable(uri)
    except TableNotFoundError:
        return None


def fit_types(table: pa.Table, delta: DeltaTable | None) -> pa.Table:
    """The table with the column types that the lake has; a type that was changed since is cast where it can be."""
    if delta is None:
        return table
    lake_schema = pa.schema(delta.schema().to_arrow())
    fields = []
    for column in table.schema:
        place = lake_schema.get_field_index(column.name)
        is_same = place < 0 or lake_schema.field(place).type.equals(column.type) or pa.types.is_nested(column.type)
        fields.append(column if is_same else pa.field(column.name, lake_schema.field(place).type))
    return align(table, pa.schema(fields))


def _finish(
    database: Database,
    lake: Lake,
    spec: ModelSpec,
    claim: Claim,
    owner: str,
    table: pa.Table,
    hashes: Hashes,
    version: int,
) -> None:
    stored = align(table, spec.stored)
    cells = summarise_events(stored, spec)
    counted = count_sealed(database, spec, stored)
    run = write_run(lake, spec.id, claim.seal_id, hashes, table.column("event_id").combine_chunks())
    with database.write() as session:
        event_batches.lock_model(session, spec.id)
        done = seals.finish_seal(
            session, claim.seal_id, owner, delta_version=version, n_events=table.num_rows, now=utc_now()
        )
        if not done:
            raise LeaseLost(f"seal {claim.seal_id} was taken over")
        add_rollups(session, spec.id, cells)
        add_sealed(session, spec, stored, counted)
        seals.add_run(session, run)


def _delete_sealed(database: Database, model_id: str) -> None:
    """Delete the rows of sealed batches, little by little; a reader leaves them out already."""
    while True:
        with database.write() as session:
            if event_batches.delete_sealed(session, model_id, DELETE_EVENTS) == 0:
                return


def _finish_empty(database: Database, lake: Lake, model_id: str, claim: Claim, owner: str) -> None:
    delta = open_delta(lake.table_uri(model_id))
    version = int(delta.version()) if delta is not None else None
    with database.write() as session:
        if not seals.finish_seal(session, claim.seal_id, owner, delta_version=version, n_events=0, now=utc_now()):
            raise LeaseLost(f"seal {claim.seal_id} was taken over")


def compact(database: Database, lake_uri: str, model_id: str, *, owner: str) -> int:
    """Join small files of each day; returns how many files were replaced. Readers of older versions keep working.

    Runs under the same lease as a seal, so that the version it makes holds nothing that is still hot.
    """
    lake = Lake(lake_uri)
    delta = open_delta(lake.table_uri(model_id))
    if delta is None:
        return 0
    now = utc_now()
    with database.write() as session:
        event_batches.lock_model(session, model_id)
        if seals.open_seal(session, model_id) is not None:
            return 0
        last_id = seals.last_sealed(session, model_id)
        made = seals.add_seal(session, model_id, owner, now + LEASE * 5, last_batch_id=last_id)
        claim = Claim(made.id, last_id)
    _delete_sealed(database, model_id)
    delta = DeltaTable(lake.table_uri(model_id))
    schema = pa.schema(delta.schema().to_arrow())
    metrics = delta.optimize.compact(writer_properties=writer_properties(schema), max_concurrent_tasks=1)
    _finish_empty(database, lake, model_id, claim, owner)
    delta.vacuum(retention_hours=KEEP_OLD_FILES_H, enforce_retention_duration=False, dry_run=False)
    delete_unused(database, lake, model_id, older_than_s=3600, now_s=time.time())
    return int(metrics["numFilesRemoved"])


def needs_compaction(lake_uri: str, model_id: str) -> bool:
    """Whether some day has so many files that reading it costs more than joining them."""
    delta = open_delta(Lake(lake_uri).table_uri(model_id))
    if delta is None:
        return False
    days = pa.table(delta.get_add_actions(flatten=True)).column(f"partition.{PARTITION}").to_pylist()
    counts: dict[object, int] = {}
    for day in days:
        counts[day] = counts.get(day, 0) + 1
    return max(counts.values(), default=0) > MAX_DAY_FILES

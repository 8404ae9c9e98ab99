"""Reading events: one snapshot of sealed files and hot batches, queried by DuckDB with pushdown."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.engine import Database
from db.eventlog import payload
from db.eventlog.columns import align
from db.eventlog.duck import open_duckdb
from db.eventlog.filters import BadFilter, Filter, compile_filters, quote
from db.eventlog.hot import HotCache, HotChunk
from db.eventlog.ids import hash_ids
from db.eventlog.lake import Lake, LakeVersion
from db.eventlog.schema import BASE_FIELDS, ModelSpec
from db.models.event_log import Seal
from db.repositories import event_batches

if TYPE_CHECKING:
    import duckdb

_DUCK_TYPES = {
    pa.string(): "VARCHAR",
    pa.float64(): "DOUBLE",
    pa.int64(): "BIGINT",
    pa.int16(): "SMALLINT",
    pa.bool_(): "BOOLEAN",
    pa.timestamp("us", tz="UTC"): "TIMESTAMPTZ",
    pa.list_(pa.string()): "VARCHAR[]",
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one SQL snapshot says a model's events are: a lake version and the hot batches beside it."""

    lake: LakeVersion | None
    hot: list[HotChunk]


def sealed_version(session: Session, model_id: str) -> int | None:
    """The lake version of the last finished seal or compaction."""
    done = (Seal.model_id == model_id) & (Seal.state == "done") & Seal.delta_version.is_not(None)
    statement = select(Seal.delta_version).where(done).order_by(Seal.id.desc()).limit(1)
    return session.scalar(statement)


class Reader:
    """Snapshots and queries over them; safe to use from several threads."""

    def __init__(self, database: Database, lake: Lake) -> None:
        self.database = database
        self.lake = lake
        self.hot = HotCache()
        self._duck: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    def snapshot(self, session: Session, model_id: str) -> Snapshot:
        """The state of a model's events in the session's snapshot."""
        version = sealed_version(session, model_id)
        hot = self.hot.chunks(session, model_id)
        return Snapshot(self.lake.version(model_id, version) if version is not None else None, hot)

    def read(
        self,
        spec: ModelSpec,
        start: datetime | None,
        end: datetime | None,
        *,
        columns: Sequence[str] | None = None,
        where: Sequence[Filter] = (),
        limit: int | None = None,
        newest_first: bool = False,
        before: tuple[datetime, str] | None = None,
    ) -> pa.Table:
        """Rows of [start, end) that pass the filters; ordered by time when `limit` or `newest_first` is given.

        `before` continues a newest-first listing behind the row with this time and id.
        """
        schema = spec.stored
        names = list(columns) if columns is not None else schema.names
        unknown = [name for name in names if schema.get_field_index(name) < 0]
        if unknown:
            raise BadFilter(f"this model's events have no column {unknown[0]!r}")
        with self.database.read() as session:
            snapshot = self.snapshot(session, spec.id)
        condition, values = compile_filters([*window(start, end), *where], schema.names)
        if before is not None:
            condition += " AND (happened_at < ? OR (happened_at = ? AND event_id < ?))"
            values = [*values, before[0], before[0], before[1]]
        order = "DESC" if newest_first else "ASC"
        tail = f" ORDER BY happened_at {order}, event_id {order}" if newest_first or limit is not None else ""
        tail += f" LIMIT {int(limit)}" if limit is not None else ""
        sql = f"SELECT {', '.join(map(quote, names))} FROM events WHERE {condition}{tail}"
        with self._cursor() as cursor:
            define_events(cursor, spec, snapshot, start, end)
            table = cursor.sql(sql, params=values).to_arrow_table()
        return align(table, pa.schema([schema.field(name) for name in names]))

    def find_rows(self, spec: ModelSpec, ids: Sequence[str]) -> pa.Table:
        """The stored events with these ids. Of the hot batches only those that hold one of them are decoded."""
        wanted = pa.array(list(dict.fromkeys(ids)), pa.string())
        hashes = hash_ids(wanted)
        with self.database.read() as session:
            version = sealed_version(session, spec.id)
            holders = [
                batch_id
                for batch_id, blob in event_batches.hashes_after(session, spec.id, 0)
                if np.isin(np.frombuffer(blob, dtype="<u8"), hashes).any()
            ]
            found = [
                pick_ids(payload.decode(blob), wanted, spec.stored)
                for batch_id in holders
                for _, blob in event_batches.payloads(session, spec.id, [batch_id])
            ]
        if version is not None and sum(table.num_rows for table in found) < len(wanted):
            found.append(self._find_sealed(spec, self.lake.version(spec.id, version), wanted))
        return pa.concat_tables(found) if found else spec.stored.empty_table()

    def _find_sealed(self, spec: ModelSpec, lake: LakeVersion, wanted: pa.Array) -> pa.Table:
        with self._cursor() as cursor:
            define_events(cursor, spec, Snapshot(lake, []), None, None)
            if len(wanted) <= 50:
                marks = ", ".join("?" * len(wanted))
                sql = f"SELECT * FROM events WHERE event_id IN ({marks})"
                found = cursor.sql(sql, params=wanted.to_pylist())
            else:
                cursor.register("wanted", pa.table({"event_id": wanted}))
                found = cursor.sql("SELECT * FROM events WHERE event_id IN (SELECT event_id FROM wanted)")
            return align(found.to_arrow_table(), spec.stored)

    @contextmanager
    def connect(
        self, spec: ModelSpec, start: datetime | None, end: datetime | None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A DuckDB connection of its own with the view `events`; it can read nothing outside the model's lake."""
        with self.database.read() as session:
            snapshot = self.snapshot(session, spec.id)
        connection = open_duckdb()
        try:
            define_events(connection, spec, snapshot, start, end, is_bounded=True)
            if not self.lake.is_remote:
                folder = self.lake.table_uri(spec.id)
                connection.execute(f"SET allowed_directories = ['{folder.replace(chr(39), chr(39) * 2)}/']")
                connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock:
            if self._duck is None:
                self._duck = open_duckdb()
            cursor = self._duck.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        try:
            yield cursor
        finally:
            cursor.close()

    def close(self) -> None:
        """Release DuckDB's memory."""
        with self._lock:
            if self._duck is not None:
                self._duck.close()
                self._duck = None


def window(start: datetime | None, end: datetime | None) -> list[Filter]:
    """The filters of a time window [start, end)."""
    made: list[Filter] = []
    if start is not None:
        made.append(Filter("happened_at", "ge", start))
    if end is not None:
        made.append(Filter("happened_at", "lt", end))
    return made


def define_events(
    cursor: duckdb.DuckDBPyConnection,
    spec: ModelSpec,
    snapshot: Snapshot,
    start: datetime | None,
    end: datetime | None,
    *,
    is_bounded: bool = False,
) -> None:
    """Create the temporary view `events`: sealed files of the window united with the hot batches."""
    schema = spec.stored
    parts: list[str] = []
    if snapshot.lake is not None:
        parts.extend(_sealed_part(cursor, schema, snapshot.lake, start, end))
    if snapshot.hot:
        hot = pa.concat_tables([align(chunk.table, schema) for chunk in snapshot.hot])
        cursor.register("hot_events", hot)
        parts.append(f"SELECT {', '.join(map(quote, schema.names))} FROM hot_events")
    if not parts:
        cursor.register("hot_events", schema.empty_table())
        parts.append("SELECT * FROM hot_events")
    body = " UNION ALL ".join(parts)
    if is_bounded:
        bounds = [f"happened_at >= {_literal(start)}"] if start else []
        bounds += [f"happened_at < {_literal(end)}"] if end else []
        body = f"SELECT * FROM ({body}) WHERE {' AND '.join(bounds) or 'true'}"
    cursor.execute(f"CREATE OR REPLACE TEMP VIEW events AS {body}")


def _sealed_part(
    cursor: duckdb.DuckDBPyConnection,
    schema: pa.Schema,
    lake: LakeVersion,
    start: datetime | None,
    end: datetime | None,
) -> list[str]:
    paths = lake.paths(start, end)
    if not paths:
        return []
    picked = ", ".join(map(_pick, schema))
    if lake.table is not None:
        cursor.register("sealed_events", lake.table.to_pyarrow_dataset())
        sealed = "SELECT * FROM sealed_events"
    else:
        files = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        sealed = f"SELECT * FROM read_parquet([{files}], union_by_name=true, hive_partitioning=false)"
    # The empty table supplies columns that none of these files has yet.
    cursor.register("no_events", schema.empty_table())
    return [f"SELECT {picked} FROM (SELECT * FROM no_events UNION ALL BY NAME {sealed})"]


def _pick(column: pa.Field) -> str:
    name = quote(column.name)
    return name if column in BASE_FIELDS else f"TRY_CAST({name} AS {_DUCK_TYPES[column.type]}) AS {name}"


def _literal(at: datetime) -> str:
    return f"TIMESTAMPTZ '{at.isoformat()}'"


def pick_ids(table: pa.Table, wanted: pa.Array, schema: pa.Schema) -> pa.Table:
    """The rows with these event ids, in a stored schema."""
    return align(table.filter(pc.is_in(table.column("event_id"), value_set=wanted)), schema)


def rows_by_id(table: pa.Table) -> dict[str, dict[str, Any]]:
    """Rows as dictionaries by event id."""
    return {row["event_id"]: row for row in table.to_pylist()}

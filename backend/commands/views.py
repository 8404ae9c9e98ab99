"""The read-only DuckDB views of `soi sql`: events from the lake and the hot batches, and the tables of the reviews."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import orjson
import pyarrow as pa
from sqlalchemy import LargeBinary, Table, select
from sqlalchemy.types import TypeEngine

from backend.settings import Settings
from db.base import UtcDateTime, utc_now
from db.engine import Database, ReadSession
from db.eventlog.columns import align
from db.eventlog.filters import quote
from db.eventlog.lake import Lake
from db.eventlog.read import Reader, Snapshot
from db.eventlog.schema import BASE_COLUMNS, ModelSpec, spec_of
from db.models.event_log import Rollup
from db.models.model import Model
from db.models.review import Decision, GroundTruth, ReviewTask

#: View -> table that it shows.
TABLES: dict[str, Any] = {
    "decisions": Decision,
    "ground_truth": GroundTruth,
    "review_tasks": ReviewTask,
    "rollups": Rollup,
    "models": Model,
}
_CONFIG: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "2GB"}
_TIME = pa.timestamp("us", tz="UTC")


@contextmanager
def open_views(database: Database, settings: Settings, *, days: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection that sees `predictions` (all models), `predictions_<model>`, and the TABLES.

    It can read nothing else: no other file, no network, and its settings cannot be changed. Times are UTC without
    a zone, so that functions on them give the same on every machine.
    """
    lake = Lake(settings.lake_uri)
    reader = Reader(database, lake)
    connection = duckdb.connect(":memory:", config=_CONFIG)
    try:
        with database.read() as session:
            models = list(session.scalars(select(Model).order_by(Model.name)))
            _predictions(connection, session, reader, models, days)
            names = {model.id: model.name for model in models}
            for view, table in TABLES.items():
                connection.register(view, _as_arrow(session, table.__table__, names))
        if not lake.is_remote:
            folder = lake.uri.replace("'", "''")
            connection.execute(f"SET allowed_directories = ['{folder}/']")
            connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()
        reader.close()


def _predictions(
    connection: duckdb.DuckDBPyConnection, session: ReadSession, reader: Reader, models: list[Model], days: int
) -> None:
    start = (utc_now() - timedelta(days=days)).replace(tzinfo=None)
    bodies = []
    for number, model in enumerate(models):
        spec = spec_of(model)
        body = _events(connection, spec, reader.snapshot(session, model.id), number)
        window = f"happened_at >= TIMESTAMP '{start.isoformat(sep=' ')}'"
        view = "predictions_" + re.sub(r"\W", "_", model.name)
        connection.execute(
            f"CREATE TEMP VIEW {quote(view)} AS SELECT * FROM (SELECT {_zoneless(spec)} FROM ({body})) WHERE {window}"
        )
        literal = "'" + model.name.replace("'", "''") + "'"
        columns = ", ".join(map(quote, BASE_COLUMNS))
        bodies.append(f"SELECT {literal} AS model, {columns} FROM {quote(view)}")
    if bodies:
        connection.execute(f"CREATE TEMP VIEW predictions AS {' UNION ALL '.join(bodies)}")


def _events(connection: duckdb.DuckDBPyConnection, spec: ModelSpec, snapshot: Snapshot, number: int) -> str:
    """The SQL of one model's events; the hot ones are registered under a name of their own."""
    schema, empty, hot = spec.stored, f"_empty_{number}", f"_hot_{number}"
    connection.register(empty, schema.empty_table())
    parts = [f"SELECT * FROM {empty}"]
    columns = ", ".join(map(quote, schema.names))
    paths = snapshot.lake.paths(None, None) if snapshot.lake is not None else []
    if paths and snapshot.lake is not None and snapshot.lake.table is not None:
        connection.register(f"_sealed_{number}", snapshot.lake.table.to_pyarrow_dataset())
        parts.append(f"SELECT {columns} FROM _sealed_{number}")
    elif paths:
        files = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        sealed = f"SELECT * FROM read_parquet([{files}], union_by_name=true, hive_partitioning=false)"
        parts.append(f"SELECT {columns} FROM (SELECT * FROM {empty} UNION ALL BY NAME {sealed})")
    if snapshot.hot:
        connection.register(hot, pa.concat_tables([align(chunk.table, schema) for chunk in snapshot.hot]))
        parts.append(f"SELECT {columns} FROM {hot}")
    return " UNION ALL ".join(parts)


def _zoneless(spec: ModelSpec) -> str:
    """All stored columns, times as plain UTC."""
    names = [(quote(field.name), field.type == _TIME) for field in spec.stored]
    return ", ".join(f"make_timestamp(epoch_us({name})) AS {name}" if is_time else name for name, is_time in names)


def _as_arrow(session: ReadSession, table: Table, models: dict[str, str]) -> pa.Table:
    """A whole SQL table; JSON as text, the model's name beside its id, nothing binary."""
    columns = [column for column in table.columns if not isinstance(column.type, LargeBinary)]
    rows = session.execute(select(*columns)).all()
    arrays: dict[str, Any] = {}
    for place, column in enumerate(columns):
        values = [row[place] for row in rows]
        arrays[column.name] = pa.array([_plain(value) for value in values], _arrow_type(column.type))
    if "model_id" in arrays:
        arrays["model"] = pa.array([models.get(row.model_id, "") for row in rows], pa.string())
    return pa.table(arrays)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return orjson.dumps(value).decode() if isinstance(value, (dict, list)) else value


def _arrow_type(kind: TypeEngine[Any]) -> pa.DataType:
    kinds: dict[str, pa.DataType] = {
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
    }
    return pa.timestamp("us") if isinstance(kind, UtcDateTime) else kinds.get(kind.python_type.__name__, pa.string())

"""The read-only DuckDB views of `soi sql`: events from the lake and the hot batches, and the tables of the reviews."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import duckdb
import orjson
import pyarrow as pa
from sqlalchemy import LargeBinary, Table, select

from backend.settings import Settings
from db.base import utc_now
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
_CONFIG = {"memory_limit": "2GB", "TimeZone": "UTC"}


@contextmanager
def open_views(database: Database, settings: Settings, *, days: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection that sees `predictions` (all models), `predictions_<model>`, and the TABLES.

    It can read nothing else: no other file, no network, and its settings cannot be changed.
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
    start = utc_now() - timedelta(days=days)
    bodies = []
    for number, model in enumerate(models):
        spec = spec_of(model)
        body = _events(connection, spec, reader.snapshot(session, model.id), number)
        window = f"happened_at >= TIMESTAMPTZ '{start.isoformat()}'"
        view = "predictions_" + re.sub(r"\W", "_", model.name)
        connection.execute(f"CREATE TEMP VIEW {quote(view)} AS SELECT * FROM ({body}) WHERE {window}")
        literal = "'" + model.name.replace("'", "''") + "'"
        columns = ", ".join(map(quote, BASE_COLUMNS))
        bodies.append(f"SELECT {literal} AS model, {columns} FROM {quote(view)}")
    if bodies:
        connection.execute(f"CREATE TEMP VIEW predictions AS {' UNION ALL '.join(bodies)}")


def _events(connection: duckdb.DuckDBPyConnection, spec: ModelSpec, snapshot: Snapshot, number: int) -> str:
    """The SQL of one model's events; the hot ones are registered under a name of their own."""
    schema, empty, hot = spec.stored, f"empty_{number}", f"hot_{number}"
    connection.register(empty, schema.empty_table())
    parts = [f"SELECT * FROM {empty}"]
    columns = ", ".join(map(quote, schema.names))
    paths = snapshot.lake.paths(None, None) if snapshot.lake is not None else []
    if paths and snapshot.lake is not None and "://" in paths[0]:
        connection.register(f"sealed_{number}", snapshot.lake.table.to_pyarrow_dataset())
        parts.append(f"SELECT {columns} FROM sealed_{number}")
    elif paths:
        files = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        sealed = f"SELECT * FROM read_parquet([{files}], union_by_name=true, hive_partitioning=false)"
        parts.append(f"SELECT {columns} FROM (SELECT * FROM {empty} UNION ALL BY NAME {sealed})")
    if snapshot.hot:
        connection.register(hot, pa.concat_tables([align(chunk.table, schema) for chunk in snapshot.hot]))
        parts.append(f"SELECT {columns} FROM {hot}")
    return " UNION ALL ".join(parts)


def _as_arrow(session: ReadSession, table: Table, models: dict[str, str]) -> pa.Table:
    """A whole SQL table; JSON as text, the model's name beside its id, nothing binary."""
    columns = [column for column in table.columns if not isinstance(column.type, LargeBinary)]
    rows = session.execute(select(*columns)).all()
    arrays: dict[str, pa.Array] = {}
    for place, column in enumerate(columns):
        values = [row[place] for row in rows]
        arrays[column.name] = pa.array([_plain(value) for value in values], _arrow_type(column.type.python_type))
    if "model_id" in arrays:
        arrays["model"] = pa.array([models.get(row.model_id, "") for row in rows], pa.string())
    return pa.table(arrays)


def _plain(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, (dict, list)) else value


def _arrow_type(python: type) -> pa.DataType:
    return {
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "datetime": pa.timestamp("us", tz="UTC"),
    }.get(python.__name__, pa.string())

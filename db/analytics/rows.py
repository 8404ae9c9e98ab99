"""Cells computed from rows, for filters that roll-ups do not know: one pass of DuckDB over the window's events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa

from db.analytics.windows import Window
from db.eventlog.filters import BadFilter, Filter, compile_filters, quote
from db.eventlog.histogram import GAMMA, ZERO_BUCKET, encode
from db.eventlog.rollup import MAX_KEYS, OTHER
from db.eventlog.schema import ModelSpec, spec_of

if TYPE_CHECKING:
    from db.analytics.series import Selection
    from db.eventlog.log import EventLog

#: Roll-up column -> the same count over rows.
_COUNTS = {
    "n_events": "count(*)",
    "n_errors": "count(*) FILTER (WHERE status = 'error')",
    "n_timeouts": "count(*) FILTER (WHERE status = 'timeout')",
    "n_null_outputs": "count(*) FILTER (WHERE is_null_output)",
    "n_cached": "count(*) FILTER (WHERE is_cached)",
    "n_missing_fields": "sum(coalesce(n_missing, 0))::BIGINT",
    "n_with_missing": "count(*) FILTER (WHERE n_missing > 0)",
    "n_scored": "count(score)",
    "score_sum": "coalesce(sum(score), 0)::DOUBLE",
    "n_timed": "count(latency_ms)",
    "latency_sum_ms": "coalesce(sum(latency_ms), 0)::DOUBLE",
    "n_pairs": "count(champion_prediction)",
    "n_agreed": "count(*) FILTER (WHERE champion_prediction = prediction)",
}
_LATENCY_BUCKET = (
    f"CASE WHEN latency_ms < 1e-9 THEN {ZERO_BUCKET} ELSE ceil(ln(latency_ms) / ln({GAMMA!r}))::INTEGER END"
)
_ERROR_KIND = "coalesce(nullif(left(error, 80), ''), status)"


def scan_cells(
    eventlog: EventLog, model: Any, window: Window, selection: Selection, columns: Sequence[str]
) -> pa.Table:
    """Cells of the window's own grain with these columns, over the rows that pass every filter of the selection."""
    spec = spec_of(model)
    condition, parameters = compile_filters(_filters(spec, selection), spec.stored.names)
    key = selection.split_segment
    segment = quote("seg_" + key) if key else "''"
    start_us, grain_us = int(window.start.timestamp()) * 1_000_000, window.grain_s * 1_000_000
    bucket_us = f"{start_us} + (epoch_us(happened_at) - {start_us}) // {grain_us} * {grain_us}"
    picked = ", ".join(_expression(spec, column) for column in columns)
    query = f"""
        SELECT make_timestamptz({bucket_us}) AS bucket_at, version, role, {segment} AS segment_value, {picked}
        FROM events WHERE {condition} {f"AND {segment} IS NOT NULL AND {segment} <> ''" if key else ""}
        GROUP BY ALL
    """
    with eventlog.connect(model.id, window.start, window.end) as connection:
        table: pa.Table = connection.sql(query, params=parameters).to_arrow_table()
    if "latency" in columns:
        table = _replace(table, "latency", pa.binary(), _encoded)
    if "counts" in columns:
        table = _replace(table, "counts", pa.string(), _counted)
    return table


def _filters(spec: ModelSpec, selection: Selection) -> list[Filter]:
    found = [typed_filter(spec, condition) for condition in selection.where]
    found += [
        Filter(name, "eq", value) for name, value in (("version", selection.version), ("role", selection.role)) if value
    ]
    return found + [Filter("seg_" + key, "eq", value) for key, value in selection.segments.items()]


def typed_filter(spec: ModelSpec, condition: Filter) -> Filter:
    """The condition with its value in the column's type; "version=2" names version "2"."""
    place = spec.stored.get_field_index(condition.column)
    if place < 0 or condition.op in ("is_null", "not_null"):
        return condition
    kind, value = spec.stored.field(place).type, condition.value
    try:
        return Filter(condition.column, condition.op, _as_type(kind, value))
    except (ValueError, TypeError) as error:
        raise BadFilter(f"{condition.column!r} cannot be compared with {value!r}") from error


def _as_type(kind: pa.DataType, value: Any) -> Any:
    if kind == pa.string():
        return value if isinstance(value, str) else orjson.dumps(value).decode()
    if kind == pa.bool_():
        return value if isinstance(value, bool) else _refuse(value)
    if pa.types.is_timestamp(kind):
        at = datetime.fromisoformat(value)
        return at if at.tzinfo is not None else _refuse(value)
    if pa.types.is_list(kind) or isinstance(value, bool):
        return _refuse(value)
    return value if isinstance(value, int | float) else _refuse(value)


def _refuse(value: Any) -> Any:
    raise ValueError(f"{value!r} is of another type")


def _expression(spec: ModelSpec, column: str) -> str:
    if column == "n_fields":
        return f"count(*) * {len(spec.inputs)} AS n_fields"
    if column == "latency":
        return f"histogram({_LATENCY_BUCKET}) FILTER (WHERE latency_ms IS NOT NULL) AS latency"
    if column == "counts":
        labels = (
            "histogram(prediction) FILTER (WHERE prediction IS NOT NULL)" if spec.output_kind == "label" else "NULL"
        )
        missing = "".join(
            f", 'm{number}': count(*) FILTER (WHERE {quote(field.column)} IS NULL)"
            for number, field in enumerate(spec.inputs)
        )
        names = orjson.dumps([field.name for field in spec.inputs]).decode().replace("'", "''")
        errors = f"histogram({_ERROR_KIND}) FILTER (WHERE status <> 'ok')"
        inputs = f"'missing': {{'none': 0{missing}}}, 'names': '{names}'"
        return f"{{'labels': {labels}, 'errors': {errors}, {inputs}}} AS counts"
    return f"{_COUNTS[column]} AS {column}"


def _replace(table: pa.Table, name: str, kind: pa.DataType, convert: Any) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, pa.field(name, kind), pa.array(map(convert, table[name].to_pylist()), kind))


def _encoded(histogram: Any) -> bytes:
    if not histogram:
        return b""
    buckets, counts = zip(*_items(histogram), strict=True)
    return encode(np.array(buckets, dtype=np.int64), np.array(counts, dtype=np.int64))


def _counted(counts: dict[str, Any]) -> str:
    names = orjson.loads(counts["names"])
    missing = {name: counts["missing"][f"m{number}"] for number, name in enumerate(names)}
    found = {
        "labels": _capped(dict(_items(counts["labels"] or ()))),
        "errors": _capped(dict(_items(counts["errors"] or ()))),
        "missing": {name: n for name, n in missing.items() if n},
    }
    return orjson.dumps(found).decode()


def _items(histogram: Any) -> Any:
    return histogram.items() if isinstance(histogram, dict) else histogram


def _capped(counts: dict[str, int]) -> dict[str, int]:
    """The same bound on the number of keys that roll-ups have."""
    if len(counts) <= MAX_KEYS:
        return counts
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return dict(ordered[: MAX_KEYS - 1]) | {OTHER: sum(n for _, n in ordered[MAX_KEYS - 1 :])}

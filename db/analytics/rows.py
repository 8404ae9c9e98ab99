"""Cells computed from rows, for filters that roll-ups do not know: one pass of DuckDB over the window's events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa

from db.analytics.windows import Window
from db.eventlog.columns import align
from db.eventlog.filters import BadFilter, Filter, compile_filters, quote
from db.eventlog.histogram import GAMMA, ZERO_BUCKET, encode
from db.eventlog.rollup import GRAINS_S, MAX_KEYS, OTHER, Cell, merge_cells, summarise_events
from db.eventlog.schema import UTC_US, InputField, ModelSpec, spec_of

if TYPE_CHECKING:
    from db.analytics.series import Selection
    from db.eventlog.log import EventLog

#: Rows summarised at once where roll-ups have to be made from rows.
_SLICE_ROWS = 100_000
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
    condition, parameters = row_condition(spec, selection)
    key = selection.split_segment
    if "numbers" in columns:
        return _scan_numbers(eventlog, spec, window, condition, parameters, key or "")
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


def row_condition(spec: ModelSpec, selection: Selection) -> tuple[str, list[Any]]:
    """The selection as an SQL condition on rows, with its values; BadFilter when it does not fit the model."""
    return compile_filters(_filters(spec, selection), spec.stored.names)


def _scan_numbers(
    eventlog: EventLog, spec: ModelSpec, window: Window, condition: str, parameters: Any, segment_key: str
) -> pa.Table:
    """The same cells as the roll-ups', made by the same code from the chosen rows, a slice at a time."""
    parts: list[Cell] = []
    with eventlog.connect(spec.id, window.start, window.end) as connection:
        reader = connection.sql(f"SELECT * FROM events WHERE {condition}", params=parameters).to_arrow_reader(
            _SLICE_ROWS
        )
        for batch in reader:
            cells = summarise_events(align(batch, spec.stored), spec)
            fresh = (cell for cell in cells if cell["grain_s"] == GRAINS_S[0] and cell["segment_key"] == segment_key)
            parts = merge_cells([parts, fresh])
    if segment_key:
        parts = [cell for cell in parts if cell["segment_value"]]
    names = ("bucket_at", "version", "role", "segment_value", "n_events", "numbers")
    kinds = (UTC_US, pa.string(), pa.string(), pa.string(), pa.int64(), pa.binary())
    return pa.table(
        {name: pa.array([cell[name] for cell in parts], kind) for name, kind in zip(names, kinds, strict=True)}
    )


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
        strange = "".join(
            f", '{kind[0]}{number}': count(*) FILTER (WHERE {outside})"
            for number, field in enumerate(spec.inputs)
            for kind, outside in _outside(field).items()
        )
        inputs = f"'missing': {{'none': 0{missing}{strange}}}, 'names': '{names}'"
        return f"{{'labels': {labels}, 'errors': {errors}, {inputs}}} AS counts"
    return f"{_COUNTS[column]} AS {column}"


def _outside(field: InputField) -> dict[str, str]:
    """SQL conditions of values outside of what an input declares, as db.eventlog.rollup counts them."""
    column, found = quote(field.column), {}
    if field.categories and field.type == "string":
        listed = ", ".join("'" + category.replace("'", "''") + "'" for category in field.categories)
        found["unseen"] = f"{column} NOT IN ({listed})"
    if field.type in ("number", "integer"):
        limits = [f"{column} < {field.minimum!r}"] if field.minimum is not None else []
        limits += [f"{column} > {field.maximum!r}"] if field.maximum is not None else []
        if limits:
            found["out_of_range"] = " OR ".join(limits)
    return found


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
    found = {
        "labels": _capped(dict(_items(counts["labels"] or ()))),
        "errors": _capped(dict(_items(counts["errors"] or ()))),
    }
    for kind in ("missing", "out_of_range", "unseen"):
        by_field = {name: counts["missing"].get(f"{kind[0]}{number}") for number, name in enumerate(names)}
        found[kind] = {name: n for name, n in by_field.items() if n}
    return orjson.dumps(found).decode()


def _items(histogram: Any) -> Any:
    return histogram.items() if isinstance(histogram, dict) else histogram


def _capped(counts: dict[str, int]) -> dict[str, int]:
    """The same bound on the number of keys that roll-ups have."""
    if len(counts) <= MAX_KEYS:
        return counts
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return dict(ordered[: MAX_KEYS - 1]) | {OTHER: sum(n for _, n in ordered[MAX_KEYS - 1 :])}

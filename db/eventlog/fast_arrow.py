"""Arrow IPC streams: columns named as the wire's fields, `in_*`, `seg_*` and `metric_*` beside the nested ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from db.eventlog.door import Checked, Unknown, check_rows
from db.eventlog.from_wire import Doubtful, convert
from db.eventlog.limits import DoorLimits
from db.eventlog.problems import BodyProblem
from db.eventlog.schema import TEXT_LIMITS, UTC_US, WIRE_FIELDS, ModelSpec

#: Rows that are converted at once; a doubtful row makes only its slice slow.
SLICE_ROWS = 20_000
#: Compressed streams grow when they are read: more rows than this in one request are refused.
MAX_ROWS = 2_000_000
_PREFIXES = {"in_": "inputs", "seg_": "segments", "metric_": "metrics"}


def read_stream(body: bytes, spec: ModelSpec) -> pa.Table:
    """The table of a stream in the wire's types; BodyProblem when it is no stream or its columns do not fit."""
    try:
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            batches = []
            n = 0
            for batch in reader:
                batch.validate(full=True)  # offsets from outside are not to be trusted
                n += batch.num_rows
                if n > MAX_ROWS:
                    raise BodyProblem("too_large", f"more than {MAX_ROWS} rows in one request", status=413)
                batches.append(batch)
            table = pa.Table.from_batches(batches, reader.schema)
    except (pa.ArrowException, OSError, MemoryError, ValueError) as error:
        raise BodyProblem("malformed", f"not a valid Arrow stream: {str(error)[:200]}") from error
    if table.num_rows == 0:
        raise BodyProblem("malformed", "the stream has no rows")
    return to_wire(table, spec)


def to_wire(table: pa.Table, spec: ModelSpec) -> pa.Table:
    """The same rows with plain types, and `in_*`, `seg_*` and `metric_*` columns gathered into structs."""
    names = table.schema.names
    if len(set(names)) != len(names):
        raise BodyProblem("duplicate_key", "a column occurs twice")
    columns: dict[str, pa.Array] = {}
    nested: dict[str, dict[str, pa.Array]] = {"inputs": {}, "segments": {}, "metrics": {}, "scores": {}}
    for name in names:
        column = _flat(table.column(name))
        prefix = next((start for start in _PREFIXES if name.startswith(start)), None)
        if prefix is not None:
            group = _PREFIXES[prefix]
            nested[group][name[len(prefix) :]] = _plain(column, group, name[len(prefix) :], spec, name)
        elif name in nested:
            if not pa.types.is_struct(column.type):
                raise _unfit(name, "a struct", column.type)
            for item, values in zip(column.type, column.flatten(), strict=True):
                nested[name][item.name] = _plain(values, name, item.name, spec, f"{name}/{item.name}")
        elif name in WIRE_FIELDS:
            columns[name] = _plain(column, "", name, spec, name)
        else:
            raise BodyProblem("unknown_field", f"an event has no field {name[:80]!r}", status=422)
    for group, members in nested.items():
        if members:
            columns[group] = pa.StructArray.from_arrays(list(members.values()), list(members))
    return pa.table(columns)


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _wanted(group: str, name: str, spec: ModelSpec) -> str:
    if group == "inputs":
        return spec.input_types.get(name, "any")
    if group:
        return "string" if group == "segments" else "number"
    if name in TEXT_LIMITS or name == "model":
        return "string"
    if name == "happened_at":
        return "time"
    if name == "is_cached":
        return "boolean"
    if name in ("prediction", "champion_prediction"):
        return {"number": "number", "json": "any"}.get(spec.output_kind, "string")
    return "artifacts" if name == "artifacts" else "number"


def _plain(column: pa.Array, group: str, name: str, spec: ModelSpec, shown: str) -> pa.Array:
    """A column in the wire's type, strictly: text stays text, numbers numbers, times carry a zone."""
    wanted, kind = _wanted(group, name, spec), column.type
    if pa.types.is_dictionary(kind):
        column = pc.cast(column, kind.value_type)
        kind = column.type
    if pa.types.is_null(kind):
        return column
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    target: pa.DataType | None = None
    if wanted == "string" and is_text:
        target = pa.string()
    elif wanted == "number" and is_number:
        target = pa.float64()
    elif wanted == "integer" and pa.types.is_integer(kind):
        target = pa.int64()
    elif wanted == "boolean" and pa.types.is_boolean(kind):
        target = pa.bool_()
    elif wanted == "time" and (is_text or (pa.types.is_timestamp(kind) and kind.tz is not None)):
        target = pa.string() if is_text else UTC_US
    elif wanted == "artifacts" and (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        target = pa.list_(pa.string())
    elif wanted == "any":
        target = pa.string() if is_text else pa.float64() if is_number else kind
    if target is None:
        raise _unfit(shown, wanted, kind)
    return _cast(column, target, shown, wanted)


def _cast(column: pa.Array, target: pa.DataType, shown: str, wanted: str) -> pa.Array:
    if column.type.equals(target):
        made = column
    else:
        try:
            is_time = pa.types.is_timestamp(target)
            made = pc.cast(column, target, safe=not (is_time or pa.types.is_floating(target)))
        except pa.ArrowException as error:
            raise _unfit(shown, wanted, column.type) from error
    has_text = pa.types.is_string(target) and made.null_count < len(made)
    if has_text and pc.any(pc.match_substring(made, "\0")).as_py():
        raise BodyProblem("nul_character", f"column {shown[:80]} contains a NUL character", status=422)
    return made


def _unfit(name: str, wanted: str, kind: pa.DataType) -> BodyProblem:
    code = "type_changed" if name.startswith(("in_", "inputs/")) else "wrong_type"
    return BodyProblem(code, f"column {name[:80]} is {str(kind)[:60]}, expected {wanted}", status=422)


def unknown_inputs(table: pa.Table, spec: ModelSpec) -> Unknown:
    """Undeclared inputs of a wire-shaped table, with the type they suggest and how many events carry them."""
    if "inputs" not in table.schema.names:
        return {}
    inputs = _flat(table.column("inputs"))
    found: Unknown = {}
    for item, column in zip(inputs.type, inputs.flatten(), strict=True):
        n = len(column) - column.null_count
        if item.name not in spec.input_types and n:
            found[item.name] = (_suggests(item.type), n)
    return found


def _suggests(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_floating(kind):
        return "number"
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return "time"
    return "string" if pa.types.is_string(kind) else "json"


def check_table(table: pa.Table, spec: ModelSpec, limits: DoorLimits) -> list[Checked]:
    """The checked slices of a wire-shaped table; slices with a doubtful row are read row by row."""
    made = []
    for first in range(0, table.num_rows, SLICE_ROWS):
        part = table.slice(first, SLICE_ROWS).combine_chunks()
        try:
            ready = convert(part, spec, limits)
            indexes = range(first, first + part.num_rows)
            made.append(Checked(spec, ready, indexes, unknown=unknown_inputs(part, spec)))
        except Doubtful:
            made.append(check_rows(_events(part, first), spec, limits))
    return made


def _events(table: pa.Table, first: int) -> Iterator[tuple[int, dict[str, Any]]]:
    for place, row in enumerate(table.to_pylist()):
        event = {name: value for name, value in row.items() if value is not None}
        for name in ("inputs", "segments", "metrics", "scores"):
            if name in event:
                event[name] = {key: _text_time(value) for key, value in event[name].items() if value is not None}
        if "happened_at" in event:
            event["happened_at"] = _text_time(event["happened_at"])
        yield first + place, event


def _text_time(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value

"""Building stored columns: from checked rows (slow doors) and from wire-shaped Arrow tables (fast doors)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from db.eventlog.schema import UTC_US, ModelSpec
from db.eventlog.validate import Row

INT16_MAX = 32_767


def from_rows(rows: list[Row], spec: ModelSpec) -> pa.RecordBatch:
    """The stored batch of checked rows; rows name stored columns and leave out what is absent."""
    columns: dict[str, pa.Array] = {}
    for column in spec.sent:
        values = [row.get(column.name) for row in rows]
        columns[column.name] = pa.array(values, column.type)
    if spec.output_kind == "number":
        numbers = pa.array([row.get("champion_prediction_number") for row in rows], pa.float64())
        columns["champion_prediction"] = pc.cast(numbers, pa.string())
    return finish(columns, spec, len(rows))


def finish(columns: dict[str, pa.Array], spec: ModelSpec, n: int) -> pa.RecordBatch:
    """Add the made columns: the text of numeric answers, whether the answer counts as none, missing inputs."""
    if spec.output_kind == "number":
        columns["prediction"] = pc.cast(columns["prediction_number"], pa.string())
    columns["is_null_output"] = null_outputs(columns["prediction"], spec)
    columns["n_missing"] = count_missing([columns[item.column] for item in spec.inputs], n)
    schema = spec.sent
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def null_outputs(prediction: pa.Array, spec: ModelSpec) -> pa.Array:
    """True where the answer is absent or is one of the model's declared null outputs."""
    absent = pc.is_null(prediction)
    if not spec.null_texts:
        return absent
    declared = pc.is_in(prediction, value_set=pa.array(sorted(spec.null_texts), pa.string()))
    return pc.or_(absent, pc.fill_null(declared, False))


def count_missing(inputs: list[pa.Array], n: int) -> pa.Array:
    """How many declared inputs are absent or null in each row."""
    total = np.zeros(n, dtype=np.int16)
    for column in inputs:
        if column.null_count:
            total += pc.is_null(column).to_numpy(zero_copy_only=False)
    return pa.array(total, pa.int16())


def constant(value: Any, n: int, kind: pa.DataType) -> pa.Array:
    """An array of one value repeated."""
    return pa.repeat(pa.scalar(value, kind), n)


def align(batch: pa.RecordBatch | pa.Table, schema: pa.Schema) -> pa.Table:
    """The same rows in another stored schema: absent columns become null, changed types are cast or become null."""
    table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
    if table.schema.equals(schema):
        return table
    columns = []
    for column in schema:
        place = table.schema.get_field_index(column.name)
        if place < 0:
            columns.append(pa.nulls(table.num_rows, column.type))
            continue
        columns.append(_cast(table.column(place), column.type))
    return pa.Table.from_arrays(columns, schema=schema)


def stack(tables: Sequence[pa.Table], schema: pa.Schema) -> pa.Table:
    """The rows of all tables in one stored schema. Neighbours of one schema, most often all, are aligned together."""
    parts: list[pa.Table] = []
    for _, alike in groupby(tables, key=lambda table: table.schema):
        parts.append(align(pa.concat_tables(list(alike)), schema))
    return pa.concat_tables(parts).combine_chunks()


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type.equals(kind):
        return column
    try:
        return pc.cast(column, kind)
    except pa.ArrowInvalid:
        return pa.chunked_array([pa.nulls(len(column), kind)])
    except pa.ArrowNotImplementedError:
        return pa.chunked_array([pa.nulls(len(column), kind)])


def widest(schemas: list[pa.Schema]) -> pa.Schema:
    """One schema with the columns of all; where types differ the last one given wins."""
    if all(schema.equals(schemas[0]) for schema in schemas[1:]):
        return schemas[0]
    fields: dict[str, pa.Field] = {}
    for schema in schemas:
        for column in schema:
            fields[column.name] = column
    return pa.schema(list(fields.values()))


def micros(column: pa.Array | pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A timestamp column as int64 microseconds."""
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(pc.cast(flat, UTC_US).cast(pa.int64()).to_numpy(zero_copy_only=False))

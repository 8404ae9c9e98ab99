"""Reads uploaded training data (CSV or Parquet) into the model's stored columns, evenly sampled when it is large."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backend.errors import Invalid
from db.eventlog.feature_profile import watched_columns
from db.eventlog.schema import ModelSpec

_PARQUET = b"PAR1"
_BLOCK_BYTES = 8 << 20
_NULLS = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]


@dataclass(slots=True)
class TrainingRows:
    """Rows in stored columns, how many the file has, and its columns that are no features of the model."""

    table: pa.Table
    n_rows: int = 0
    left_out: list[str] = field(default_factory=list)


def read_training_file(path: Path, spec: ModelSpec, *, max_rows: int) -> TrainingRows:
    """Features of a file; Invalid, with the column and the reason, when it cannot be read as such."""
    try:
        is_parquet = path.open("rb").read(4) == _PARQUET
        batches = _parquet(path) if is_parquet else _csv(path)
        names = next(batches).schema.names
        places = _places(names, spec)
        if not places:
            raise Invalid(
                "none of the file's columns is a feature of this model",
                code="no_features",
                details={"columns": names[:50], "features": watched_columns(spec)[:50]},
            )
        table, n_rows = _sampled(_parquet(path) if is_parquet else _csv(path), list(places), max_rows)
    except StopIteration:
        raise Invalid("the file has no rows", code="reference_empty") from None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError, UnicodeDecodeError, OSError) as error:
        raise Invalid(f"the file cannot be read: {str(error).splitlines()[0][:300]}", code="bad_file") from error
    if n_rows == 0:
        raise Invalid("the file has no rows", code="reference_empty")
    columns = [_typed(name, table.column(name), spec.stored.field(place).type) for name, place in places.items()]
    stored = pa.table(columns, names=list(places.values()))
    return TrainingRows(stored, n_rows, [name for name in names if name not in places])


def _places(names: list[str], spec: ModelSpec) -> dict[str, str]:
    """File column -> stored column: inputs by their own name or with in_, the others by their stored name."""
    watched = set(watched_columns(spec))
    found: dict[str, str] = {}
    for name in names:
        wanted = [stored for stored in (name, "in_" + name, "metric_" + name) if stored in watched]
        if name == "prediction" and "prediction_number" in watched:
            wanted = ["prediction_number"]
        if wanted and wanted[0] not in found.values():
            found[name] = wanted[0]
    return found


def _sampled(batches: Iterator[pa.RecordBatch], names: list[str], max_rows: int) -> tuple[pa.Table, int]:
    """Every k-th row, k doubling whenever too many are kept: even over the file, whatever its length."""
    kept: list[pa.Table] = []
    n_rows, step = 0, 1
    for batch in batches:
        first = -n_rows % step
        rows = np.arange(first, batch.num_rows, step)
        kept.append(pa.Table.from_batches([batch.select(names)]).take(pa.array(rows)))
        n_rows += batch.num_rows
        while sum(table.num_rows for table in kept) > 2 * max_rows:
            joined = pa.concat_tables(kept, promote_options="permissive").combine_chunks()
            kept, step = [joined.take(pa.array(np.arange(0, joined.num_rows, 2)))], step * 2
    if not kept:
        return pa.table({name: pa.array([], pa.string()) for name in names}), 0
    table = pa.concat_tables(kept, promote_options="permissive").combine_chunks()
    if table.num_rows > max_rows:
        table = table.take(pa.array(np.linspace(0, table.num_rows - 1, max_rows).astype(np.int64)))
    return table, n_rows


def _typed(name: str, column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """The column in the stored type; Invalid names the first value that does not fit."""
    if column.type == wanted:
        return column
    try:
        if pa.types.is_dictionary(column.type):
            column = pc.cast(column, column.type.value_type)
        if pa.types.is_string(wanted) and pa.types.is_floating(column.type):
            whole = pc.cast(column, pa.int64(), safe=False)
            is_whole = pc.all(pc.equal(pc.cast(whole, pa.float64()), column)).as_py() is not False
            return pc.cast(whole if is_whole else column, wanted)
        if pa.types.is_integer(wanted):
            return pc.cast(column, pa.float64())  # what is read for drift are numbers, whole or not
        return pc.cast(column, wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).splitlines()[0][:200]
        raise Invalid(
            f"the column {name!r} cannot be read as {wanted}: {reason}", code="bad_column", details={"column": name}
        ) from error


def _parquet(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    yield from pq.ParquetFile(path).iter_batches(batch_size=65_536, use_threads=False)


def _csv(path: Path) -> Iterator[pa.RecordBatch]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        header = stream.readline().rstrip("\r\n")
    if not header:
        return
    import csv

    delimiter = max((",", "\t", ";"), key=header.count)
    names = next(csv.reader([header], delimiter=delimiter))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Invalid(f"the file has the column {twice!r} twice", code="bad_file")
    import pyarrow.csv as pacsv

    with pacsv.open_csv(
        path,
        read_options=pacsv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
        parse_options=pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types={name: pa.string() for name in names},
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=_NULLS,
        ),
    ) as reader:
        yield from reader

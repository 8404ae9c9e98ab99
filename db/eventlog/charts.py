"""Roll-up cells for charts: sealed ones from SQL and the hot tail's, in one consistent snapshot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlalchemy.orm import Session

from db.eventlog.rollup import KEY, SUMS, Cell, key_of, merge_cells
from db.eventlog.schema import UTC_US, ModelSpec
from db.repositories import rollups

#: `latency`, `numbers` and `counts` cost more than the sums: charts that do not need them leave them out.
ALL_COLUMNS = (*KEY[1:], *SUMS, "latency", "numbers", "counts")
_TYPES: dict[str, pa.DataType] = {
    "bucket_at": UTC_US,
    "version": pa.string(),
    "role": pa.string(),
    "segment_key": pa.string(),
    "segment_value": pa.string(),
    "score_sum": pa.float64(),
    "latency_sum_ms": pa.float64(),
    "latency": pa.binary(),
    "numbers": pa.binary(),
    "counts": pa.string(),
}


def cells_table(
    session: Session,
    spec: ModelSpec,
    hot: Sequence[Cell],
    grain_s: int,
    start: datetime,
    end: datetime,
    *,
    segment_key: str = "",
    segment_values: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Sealed and hot cells of one grain in [start, end) as a table; one row per cell key and source.

    Columns are those of `rollups`; `latency` is encoded (db.eventlog.histogram), `counts` is JSON text. Cells are
    additive: a key may occur once sealed and once hot.
    """
    names = list(dict.fromkeys([*KEY[1:], *(columns if columns is not None else ALL_COLUMNS)]))
    rows = rollups.chart_rows(session, spec.id, grain_s, start, end, segment_key, segment_values, names)
    wanted = set(segment_values) if segment_values is not None else None
    tail = [
        cell
        for cell in merge_cells([_matching(hot, grain_s, segment_key)])
        if start <= cell["bucket_at"] < end and (wanted is None or cell["segment_value"] in wanted)
    ]
    rows.extend(tuple(_value(cell, name) for name in names) for cell in tail)
    by_column = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    arrays = [pa.array(values, _TYPES.get(name, pa.int64())) for name, values in zip(names, by_column, strict=True)]
    return pa.Table.from_arrays(arrays, names=names)


def cells_of_models(
    session: Session,
    hot: Mapping[str, Sequence[Cell]],
    model_ids: Sequence[str],
    grain_s: int,
    ranges: Sequence[tuple[datetime, datetime]],
    *,
    segment_key: str = "",
    columns: Sequence[str],
) -> pa.Table:
    """As `cells_table` for many models and several ranges of time that do not overlap, with a column `model_id`.

    `hot` holds the cells of the hot tail of each model that has one.
    """
    names = list(dict.fromkeys([*KEY[1:], *columns]))
    rows: list[tuple[Any, ...]] = []
    tails = {model_id: merge_cells([_matching(cells, grain_s, segment_key)]) for model_id, cells in hot.items()}
    for start, end in ranges:
        rows += rollups.cells_of_models(session, model_ids, grain_s, start, end, segment_key, names)
        for model_id, cells in tails.items():
            inside = (cell for cell in cells if start <= cell["bucket_at"] < end)
            rows += [(model_id, *(_value(cell, name) for name in names)) for cell in inside]
    by_column = list(zip(*rows, strict=True)) if rows else [()] * (len(names) + 1)
    types = [pa.string(), *(_TYPES.get(name, pa.int64()) for name in names)]
    arrays = [pa.array(values, kind) for values, kind in zip(by_column, types, strict=True)]
    return pa.Table.from_arrays(arrays, names=["model_id", *names])


def _matching(cells: Sequence[Cell], grain_s: int, segment_key: str) -> list[Cell]:
    return [cell for cell in cells if cell["grain_s"] == grain_s and cell["segment_key"] == segment_key]


def _value(cell: Cell, name: str) -> Any:
    return json.dumps(cell["counts"]) if name == "counts" else cell[name]


def add_rollups(session: Session, model_id: str, cells: Sequence[Cell]) -> None:
    """Add a seal's cells to the stored ones. The caller holds the model's lock."""
    columns = (*SUMS, "latency", "numbers", "counts")
    by_grain: dict[int, dict[tuple[Any, ...], Cell]] = {}
    for cell in merge_cells([cells]):
        by_grain.setdefault(cell["grain_s"], {})[key_of(cell)] = cell
    for grain_s, fresh in by_grain.items():
        buckets = sorted({cell["bucket_at"] for cell in fresh.values()})
        changed = []
        for stored in rollups.cells_in(session, model_id, grain_s, buckets):
            cell = fresh.pop(key_of(stored), {})
            if cell:
                changed.append({**next(iter(merge_cells([[stored], [cell]]))), "id": stored["id"]})
        rollups.update_cells(session, changed, columns)
        rollups.insert_cells(session, model_id, list(fresh.values()))

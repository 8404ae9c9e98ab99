"""Roll-up cells in SQL: adding what a seal summarised, and reading the cells of a chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, Text, bindparam, cast, delete, func, insert, select, update
from sqlalchemy.orm import Session

from db.models.event_log import Rollup

_SLICE = 500
_ROLLUPS: Table = Rollup.__table__  # type: ignore[assignment]


def cells_in(session: Session, model_id: str, grain_s: int, buckets: Sequence[datetime]) -> Iterator[dict[str, Any]]:
    """All cells of some buckets of one grain, with their ids."""
    for place in range(0, len(buckets), _SLICE):
        statement = select(_ROLLUPS).where(
            Rollup.model_id == model_id,
            Rollup.grain_s == grain_s,
            Rollup.bucket_at.in_(buckets[place : place + _SLICE]),
        )
        for row in session.execute(statement).mappings():
            yield dict(row)


def insert_cells(session: Session, model_id: str, cells: Sequence[dict[str, Any]]) -> None:
    """Add cells that did not exist."""
    if cells:
        session.execute(insert(_ROLLUPS), [{**cell, "model_id": model_id} for cell in cells])


def update_cells(session: Session, cells: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Overwrite the counts of existing cells, found by their `id`."""
    if cells:
        statement = (
            update(_ROLLUPS)
            .where(_ROLLUPS.c.id == bindparam("cell_id"))
            .values({name: bindparam("new_" + name) for name in columns})
        )
        rows = [{"cell_id": cell["id"], **{"new_" + name: cell[name] for name in columns}} for cell in cells]
        session.execute(statement, rows)


def chart_rows(
    session: Session,
    model_id: str,
    grain_s: int,
    start: datetime,
    end: datetime,
    segment_key: str,
    segment_values: Sequence[str] | None,
    columns: Sequence[str],
) -> list[tuple[Any, ...]]:
    """Cells of one grain in [start, end), `counts` as JSON text, in the order of `columns`."""
    table = _ROLLUPS.c
    picked = [cast(table[name], Text) if name == "counts" else table[name] for name in columns]
    statement = select(*picked).where(
        table.model_id == model_id,
        table.grain_s == grain_s,
        table.bucket_at >= start,
        table.bucket_at < end,
        table.segment_key == segment_key,
    )
    if segment_values is not None:
        statement = statement.where(table.segment_value.in_(list(segment_values)))
    return [tuple(row) for row in session.execute(statement)]


def delete_model_cells(session: Session, model_id: str) -> None:
    """Forget all cells of a model, before they are built again."""
    session.execute(delete(Rollup).where(Rollup.model_id == model_id))


def cells_of_models(
    session: Session,
    model_ids: Sequence[str],
    grain_s: int,
    start: datetime,
    end: datetime,
    segment_key: str,
    columns: Sequence[str],
) -> list[tuple[Any, ...]]:
    """As `chart_rows`, for many models in few queries; the model's id leads every row."""
    table = _ROLLUPS.c
    picked = [cast(table[name], Text) if name == "counts" else table[name] for name in columns]
    found: list[tuple[Any, ...]] = []
    for place in range(0, len(model_ids), _SLICE):
        statement = select(table.model_id, *picked).where(
            table.model_id.in_(model_ids[place : place + _SLICE]),
            table.grain_s == grain_s,
            table.bucket_at >= start,
            table.bucket_at < end,
            table.segment_key == segment_key,
        )
        found.extend(tuple(row) for row in session.execute(statement))
    return found


def first_days(session: Session, model_ids: Sequence[str]) -> dict[str, datetime]:
    """The oldest day with sealed events per model."""
    table = _ROLLUPS.c
    found: dict[str, datetime] = {}
    for place in range(0, len(model_ids), _SLICE):
        statement = (
            select(table.model_id, func.min(table.bucket_at))
            .where(
                table.model_id.in_(model_ids[place : place + _SLICE]), table.grain_s == 86_400, table.segment_key == ""
            )
            .group_by(table.model_id)
        )
        found |= {row[0]: row[1] for row in session.execute(statement)}
    return found

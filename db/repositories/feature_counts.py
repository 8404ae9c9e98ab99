"""Cells of feature counts in SQL: adding what a seal or a back-fill counted, and reading those of a window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from db.models.drift import FeatureCount

_SLICE = 400
_COUNTS: Table = FeatureCount.__table__  # type: ignore[assignment]
KEY = ("grain_s", "bucket_at", "version", "role", "segment_key", "segment_value")
Key = tuple[Any, ...]


def stored_cells(
    session: Session, reference_id: str, grain_s: int, buckets: Sequence[datetime]
) -> Iterator[tuple[int, Key, int, bytes]]:
    """(id, key, n_events, counts) of all cells of some buckets of one grain."""
    table = _COUNTS.c
    columns = [table.id, *(table[name] for name in KEY), table.n_events, table.counts]
    for place in range(0, len(buckets), _SLICE):
        statement = select(*columns).where(
            table.reference_id == reference_id,
            table.grain_s == grain_s,
            table.bucket_at.in_(buckets[place : place + _SLICE]),
        )
        for row in session.execute(statement):
            yield row[0], tuple(row[1 : 1 + len(KEY)]), row[-2], row[-1]


def insert_cells(session: Session, reference_id: str, cells: Sequence[tuple[Key, int, bytes]]) -> None:
    """Add cells that did not exist."""
    if cells:
        rows = [
            {"reference_id": reference_id, **dict(zip(KEY, key, strict=True)), "n_events": n, "counts": blob}
            for key, n, blob in cells
        ]
        session.execute(insert(_COUNTS), rows)


def update_cells(session: Session, cells: Sequence[tuple[int, int, bytes]]) -> None:
    """Overwrite the counts of existing cells, (id, n_events, counts)."""
    if cells:
        statement = (
            update(_COUNTS)
            .where(_COUNTS.c.id == bindparam("cell_id"))
            .values(n_events=bindparam("new_n"), counts=bindparam("new_counts"))
        )
        session.execute(statement, [{"cell_id": i, "new_n": n, "new_counts": blob} for i, n, blob in cells])


def delete_cells(session: Session, reference_id: str) -> None:
    """Forget all cells of a reference."""
    session.execute(delete(FeatureCount).where(FeatureCount.reference_id == reference_id))


def window_cells(
    session: Session,
    reference_id: str,
    grain_s: int,
    spans: Sequence[tuple[datetime, datetime]],
    segment_key: str,
    segment_value: str | None,
) -> list[tuple[datetime, str, str, str, int, bytes]]:
    """(bucket_at, version, role, segment_value, n_events, counts) of the cells in any of the spans [start, end)."""
    table = _COUNTS.c
    found: list[tuple[datetime, str, str, str, int, bytes]] = []
    for start, end in spans:
        statement = select(
            table.bucket_at, table.version, table.role, table.segment_value, table.n_events, table.counts
        ).where(
            table.reference_id == reference_id,
            table.grain_s == grain_s,
            table.segment_key == segment_key,
            table.bucket_at >= start,
            table.bucket_at < end,
        )
        if segment_value is not None:
            statement = statement.where(table.segment_value == segment_value)
        found.extend(tuple(row) for row in session.execute(statement))
    return found

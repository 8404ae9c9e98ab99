"""Rows behind features: a sample to freeze a reference from, examples from chosen bins, and the rows people judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from db.analytics.feature_windows import Slice
from db.eventlog.feature_bins import FeatureBins
from db.eventlog.filters import quote
from db.eventlog.schema import ModelSpec

if TYPE_CHECKING:
    from db.eventlog.log import EventLog

#: What an example tells beside the feature itself.
EXAMPLE_COLUMNS = ("event_id", "happened_at", "subject_id", "version", "role", "prediction", "score")


@dataclass(frozen=True)
class Condition:
    """A condition on rows as SQL with named values and a table of names that it may refer to."""

    sql: str
    values: dict[str, Any]
    names: pa.Table | None = None


def slice_condition(chosen: Slice) -> Condition:
    """The rows that a Slice takes."""
    parts, values = ["true"], {}
    if chosen.version is not None:
        parts.append("version = $version")
        values["version"] = chosen.version
    if chosen.role is not None:
        parts.append("role = $role")
        values["role"] = chosen.role
    elif chosen.version is None:
        parts.append("role IS DISTINCT FROM 'shadow'")
    if chosen.segment is not None:
        parts.append(f"{quote('seg_' + chosen.segment[0])} = $segment")
        values["segment"] = chosen.segment[1]
    return Condition(" AND ".join(parts), values)


def sample_rows(
    eventlog: EventLog,
    spec: ModelSpec,
    start: datetime,
    end: datetime,
    columns: Sequence[str],
    chosen: Slice,
    max_rows: int,
) -> tuple[pa.Table, int]:
    """Rows of [start, end) and how many there are; about `max_rows` of them, chosen by their ids' hash, when there
    are more: the same rows whenever it is asked again."""
    condition = slice_condition(chosen)
    values = {**condition.values, "start": start, "end": end}
    where = f"happened_at >= $start AND happened_at < $end AND {condition.sql}"
    with eventlog.connect(spec.id, start, end) as connection:
        counted = connection.execute(f"SELECT count(*) FROM events WHERE {where}", values).fetchall()
        n_rows = int(counted[0][0])
        part = max(1, -(-n_rows // max_rows))
        picked = ", ".join(map(quote, columns)) or "event_id"
        query = f"SELECT {picked} FROM events WHERE {where} AND hash(event_id) % {part} = 0 ORDER BY event_id"
        table: pa.Table = connection.sql(query, params=values).to_arrow_table()
    return table, n_rows


def bin_condition(bins: FeatureBins, wanted: Sequence[int]) -> Condition:
    """The rows whose value lies in one of these fine bins."""
    column = quote(bins.column)
    parts: list[str] = []
    values: dict[str, Any] = {}
    if bins.null_bin in wanted:
        parts.append(f"{column} IS NULL" + (f" OR isnan({column}::DOUBLE)" if bins.kind == "number" else ""))
    if bins.kind == "number":
        for number, (first, last) in enumerate(_runs([one for one in sorted(wanted) if one != bins.null_bin])):
            parts.append(_range(column, bins, first, last, number, values))
        return Condition(f"({' OR '.join(parts) or 'false'})", values)
    listed = [bins.categories[one] for one in wanted if one < len(bins.categories)]
    text = f"{column}::VARCHAR"
    if listed:
        parts.append(f"{text} IN (SELECT name FROM bin_names WHERE place = 0)")
    if len(bins.categories) in wanted:
        parts.append(f"{text} IN (SELECT name FROM bin_names WHERE place = 1)")
    if bins.unseen_bin in wanted:
        known = "SELECT name FROM bin_names WHERE place >= 1"
        parts.append(f"({column} IS NOT NULL AND {text} NOT IN ({known}))")
    names = [*((name, 0) for name in listed), *((name, 1) for name in bins.known)]
    names += [(name, 2) for name in bins.categories]
    table = pa.table({"name": pa.array([n for n, _ in names], pa.string()), "place": pa.array([p for _, p in names])})
    return Condition(f"({' OR '.join(parts) or 'false'})", values, table)


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for place in places:
        if found and place == found[-1][1] + 1:
            found[-1] = (found[-1][0], place)
        else:
            found.append((place, place))
    return found


def _range(column: str, bins: FeatureBins, first: int, last: int, number: int, values: dict[str, Any]) -> str:
    parts = [f"{column} IS NOT NULL", f"NOT isnan({column}::DOUBLE)"]
    if first > 0:
        parts.append(f"{column}::DOUBLE > $low_{number}")
        values[f"low_{number}"] = float(bins.edges[first - 1])
    if last < len(bins.edges):
        parts.append(f"{column}::DOUBLE <= $high_{number}")
        values[f"high_{number}"] = float(bins.edges[last])
    return f"({' AND '.join(parts)})"


def example_rows(
    eventlog: EventLog,
    spec: ModelSpec,
    bins: FeatureBins,
    wanted: Sequence[int],
    start: datetime,
    end: datetime,
    chosen: Slice,
    limit: int,
) -> list[dict[str, Any]]:
    """Newest rows of [start, end) with a value in one of the fine bins: EXAMPLE_COLUMNS and `value`."""
    if spec.stored.get_field_index(bins.column) < 0 or not wanted:
        return []
    inside, taken = bin_condition(bins, wanted), slice_condition(chosen)
    columns = ", ".join(map(quote, EXAMPLE_COLUMNS))
    query = f"""
        SELECT {columns}, {quote(bins.column)} AS value FROM events
        WHERE happened_at >= $start AND happened_at < $end AND {taken.sql} AND {inside.sql}
        ORDER BY happened_at DESC, event_id DESC LIMIT {int(limit)}
    """
    values = {"start": start, "end": end, **taken.values, **inside.values}
    with eventlog.connect(spec.id, start, end) as connection:
        if inside.names is not None:
            connection.register("bin_names", inside.names)
        table: pa.Table = connection.sql(query, params=values).to_arrow_table()
    found: list[dict[str, Any]] = table.to_pylist()
    return found


def rows_of(
    eventlog: EventLog, spec: ModelSpec, ids: pa.Table, columns: Sequence[str], start: datetime, end: datetime
) -> pa.Table:
    """The named columns of the events of [start, end) listed in `ids` (column event_id), with their id."""
    known = [name for name in columns if spec.stored.get_field_index(name) >= 0]
    picked = ", ".join(map(quote, dict.fromkeys(["event_id", *known])))
    with eventlog.connect(spec.id, start, end) as connection:
        connection.register("wanted_ids", ids.select(["event_id"]))
        found: pa.Table = connection.sql(
            f"SELECT {picked} FROM events SEMI JOIN wanted_ids USING (event_id)"
        ).to_arrow_table()
    return found


def in_bins(bins: FeatureBins, column: pa.ChunkedArray, wanted: Sequence[int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which values lie in one of the fine bins."""
    return np.isin(bins.codes(column), np.array(list(wanted), dtype=np.int64))

"""Feedback beside cells that were made from rows, for filters that roll-ups do not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from db.analytics.rows import row_condition
from db.analytics.windows import Window
from db.eventlog.feedback_cells import Told, feedback_cells
from db.eventlog.rollup import GRAINS_S
from db.eventlog.schema import UTC_US, spec_of
from db.repositories import feedback

if TYPE_CHECKING:
    from db.analytics.series import Selection
    from db.eventlog.log import EventLog


def with_feedback(eventlog: EventLog, table: pa.Table, model: Any, window: Window, selection: Selection) -> pa.Table:
    """Cells of rows, and those of the feedback on the same rows; both are additive."""
    spec = spec_of(model)
    with eventlog.database.read() as session:
        told = feedback.counted_between(session, spec.id, window.start, window.end)
    if not told:
        return table
    condition, parameters = row_condition(spec, selection)
    with eventlog.connect(spec.id, window.start, window.end) as connection:
        connection.register("told", pa.table({"event_id": pa.array({row.prediction_id for row in told}, pa.string())}))
        chosen = connection.sql(
            f"SELECT event_id FROM events SEMI JOIN told USING (event_id) WHERE {condition}", params=parameters
        ).to_arrow_table()
    kept = set(chosen["event_id"].to_pylist())
    key = selection.split_segment
    cells = feedback_cells(
        (
            Told(row.name, row.value, row.predicted_at, row.version or "", row.role or "", row.segments)
            for row in told
            if row.prediction_id in kept and row.predicted_at is not None
        ),
        [key] if key else [],
    )
    cells = [cell for cell in cells if cell["grain_s"] == GRAINS_S[0] and cell["segment_key"] == (key or "")]
    if key:
        cells = [cell for cell in cells if cell["segment_value"]]
    return pa.concat_tables([table, _table(cells, table.schema)]) if cells else table


def _table(cells: list[Any], schema: pa.Schema) -> pa.Table:
    columns = []
    for column in schema:
        values = [
            orjson.dumps(cell["counts"]).decode() if column.name == "counts" else cell[column.name] for cell in cells
        ]
        kind = UTC_US if column.name == "bucket_at" else column.type
        columns.append(pc.cast(pa.array(values, kind), column.type))
    return pa.Table.from_arrays(columns, schema=schema)

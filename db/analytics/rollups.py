"""Roll-up cells for charts and the overview: what the event log hands out, narrowed to a selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from db.analytics.windows import Window

if TYPE_CHECKING:
    from db.analytics.series import Selection
    from db.eventlog.log import EventLog


def load_cells(
    eventlog: EventLog, model: Any, window: Window, selection: Selection, columns: Sequence[str]
) -> pa.Table:
    """Sealed and hot cells of the window with these columns beside their key."""
    segment_key = next(iter(selection.segment_keys), "")
    value = selection.segments.get(segment_key)
    table = eventlog.rollup_cells(
        model.id,
        window.stored_grain_s,
        window.start,
        window.end,
        segment_key=segment_key,
        segment_values=None if value is None else [value],
        columns=list(columns),
    )
    for column, wanted in (("version", selection.version), ("role", selection.role)):
        if wanted is not None:
            table = table.filter(pc.equal(table[column], pa.scalar(wanted)))
    if selection.split_segment is not None:
        table = table.filter(pc.not_equal(table["segment_value"], pa.scalar("")))
    return table


def load_cells_of_models(
    eventlog: EventLog, models: Sequence[Any], window: Window, columns: Sequence[str]
) -> Mapping[str, pa.Table]:
    """Total cells per model id: one indexed query each."""
    return {
        model.id: eventlog.rollup_cells(
            model.id, window.stored_grain_s, window.start, window.end, columns=list(columns)
        )
        for model in models
    }

"""Measures of a pipeline's steps, from the roll-ups of the steps' models. Shadow answers are left out: callers never
got them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from db.analytics.catalog import BY_NAME
from db.analytics.cells import group_cells
from db.analytics.measure import Measure, Moment
from db.analytics.values import Values
from db.analytics.windows import Window

if TYPE_CHECKING:
    from db.eventlog.log import EventLog

#: Measures that can be drawn with one line per step.
MEASURES = (
    "requests",
    "latency_p50",
    "latency_p90",
    "latency_p95",
    "latency_p99",
    "error_rate",
    "timeout_rate",
    "null_output_rate",
    "missing_rate",
    "mean_score",
)


def step_cells(eventlog: EventLog, model_id: str, window: Window, measures: Sequence[str]) -> pa.Table:
    """The roll-up cells of a step's model that these measures need."""
    columns = sorted({name for measure in measures for name in BY_NAME[measure].ingredients})
    table = eventlog.rollup_cells(model_id, window.stored_grain_s, window.start, window.end, columns=columns)
    return table.filter(pc.not_equal(table["role"], pa.scalar("shadow")))


def over_time(cells: pa.Table, window: Window, name: str, now: datetime) -> Values:
    """A measure in every bucket of the window: one series."""
    measure = BY_NAME[name]
    assert isinstance(measure, Measure)
    return measure.compute(group_cells(cells, window, None), Moment(window, now))


def in_whole(cells: pa.Table, window: Window, name: str) -> tuple[float | None, float, float | None, float | None]:
    """A measure over the whole window: value, what it was computed from, and the bounds of a rate."""
    one = Window(window.start, window.end, int((window.end - window.start).total_seconds()))
    values = over_time(cells, one, name, window.end)
    lower, upper = (None if grid is None else _number(grid) for grid in (values.lower, values.upper))
    return _number(values.value), float(values.n[0, 0]), lower, upper


def _number(grid: np.ndarray) -> float | None:
    value = float(grid[0, 0])
    return None if np.isnan(value) else value

"""One line of a measure that has one per field, label, metric or signal, as a measure that can be split."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from db.analytics.cells import Cells, Grid
from db.analytics.measure import Measure, Moment
from db.analytics.values import Values, rate


def line_of(measure: Measure, name: str) -> Callable[[Cells, Moment], Values]:
    """Computes the line `name` of a measure for each series of the cells.

    A share that nothing was counted for is 0 where there were events, because the whole measure leaves such lines
    out; any other number that was never seen is undefined.
    """

    def compute(cells: Cells, moment: Moment) -> Values:
        parts = [_one(measure, name, alone, moment) for alone in cells.each()]
        value, n = (_stack([part[place] for part in parts], cells.shape) for place in (0, 1))
        if measure.unit == "share":
            return rate(cells.series, np.nan_to_num(value * n), n)
        return Values(cells.series, value, n)

    return compute


def _one(measure: Measure, name: str, cells: Cells, moment: Moment) -> tuple[Grid, Grid]:
    found = measure.compute(cells, moment)
    if name in found.series:
        place = found.series.index(name)
        return found.value[place], found.n[place]
    if measure.unit == "share" and (found.series or "n_events" in measure.ingredients):
        n = found.n[0] if found.series else cells.total("n_events")[0]
        return np.zeros_like(n), n
    return np.full(cells.n_buckets, np.nan), np.zeros(cells.n_buckets)


def _stack(rows: list[Grid], shape: tuple[int, int]) -> Grid:
    return np.array(rows).reshape(shape) if rows else np.zeros(shape)

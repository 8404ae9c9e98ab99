"""Averages and percentiles of the numbers in roll-up cells (db.eventlog.numbers), as measures use them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from db.analytics.cells import Cells, Grid, Histogram
from db.analytics.measure import Moment
from db.analytics.measures.latency import percentiles
from db.analytics.values import Values, ratio
from db.eventlog.numbers import value_of

#: Roll-up columns that measures of numbers read; the events count says which lines matter when there are too many.
NUMBERS: Final = ("numbers", "n_events")

Compute = Callable[[Cells, Moment], Values]


def mean_of(name: str) -> Compute:
    """The average of one number per series and bucket."""

    def compute(cells: Cells, _: Moment) -> Values:
        n, total, _histogram = cells.number(name)
        return Values(cells.series, ratio(total, n), n)

    return compute


def means_by_name(prefix: str) -> Compute:
    """The average of every number whose name begins so: one line each."""
    return _by_name(prefix, lambda n, total, _histogram: ratio(total, n))


def percentile_by_name(prefix: str, share: float) -> Compute:
    """A percentile (within 1 %) of every number whose name begins so: one line each."""
    return _by_name(prefix, lambda n, _total, histogram: percentiles_of(histogram, n.shape, [share])[share])


def percentiles_of(histogram: Histogram, shape: tuple[int, ...], shares: Sequence[float]) -> dict[float, Grid]:
    """Percentiles per series and bucket, by share; NaN where nothing was counted."""
    size = int(np.prod(shape))
    return {share: percentiles(histogram, size, share, value_of).reshape(shape) for share in shares}


def _by_name(prefix: str, figure: Callable[[Grid, Grid, Histogram], Grid]) -> Compute:
    def compute(cells: Cells, _: Moment) -> Values:
        names = [name for name in cells.number_names() if name.startswith(prefix)]
        if not names:
            return Values((), np.zeros((0, cells.n_buckets)), np.zeros((0, cells.n_buckets)))
        parts = [cells.number(name) for name in names]
        values = np.concatenate([figure(*part) for part in parts])
        return Values(tuple(name.removeprefix(prefix) for name in names), values, np.concatenate([p[0] for p in parts]))

    return compute

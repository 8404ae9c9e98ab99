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

#: Shares whose percentiles are drawn as lines.
_SHARES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)

Compute = Callable[[Cells, Moment], Values]


def mean_of(name: str) -> Compute:
    """The average of one number per series and bucket."""

    def compute(cells: Cells, _: Moment) -> Values:
        n, total = cells.number_sums(name)
        return Values(cells.series, _mean(n, total), n)

    return compute


def means_by_name(prefix: str) -> Compute:
    """The average of every number whose name begins so: one line each."""

    def figure(cells: Cells, name: str) -> tuple[Grid, Grid]:
        n, total = cells.number_sums(name)
        return _mean(n, total), n

    return _by_name(prefix, figure)


def percentile_by_name(prefix: str, share: float) -> Compute:
    """A percentile (within 1 %) of every number whose name begins so: one line each."""

    def figure(cells: Cells, name: str) -> tuple[Grid, Grid]:
        n, _total, histogram = cells.number(name)
        return percentiles_of(histogram, n.shape, [share])[share], n

    return _by_name(prefix, figure)


def percentile_lines(name: str) -> Compute:
    """One line per percentile of a number (within 1 %), over everything that was selected."""

    def compute(cells: Cells, _: Moment) -> Values:
        n, _total, histogram = cells.number(name)
        found = percentiles_of(histogram, cells.shape, _SHARES)
        values = np.concatenate([found[share] for share in _SHARES])
        return Values(tuple(f"p{round(share * 100)}" for share in _SHARES), values, n.repeat(len(_SHARES), axis=0))

    return compute


def _mean(n: Grid, total: Grid) -> Grid:
    """Undefined also where the sum of huge numbers is infinite."""
    mean = ratio(total, n)
    return np.where(np.isfinite(mean), mean, np.nan)


def percentiles_of(histogram: Histogram, shape: tuple[int, ...], shares: Sequence[float]) -> dict[float, Grid]:
    """Percentiles per series and bucket, by share; NaN where nothing was counted."""
    size = int(np.prod(shape))
    return {share: percentiles(histogram, size, share, value_of).reshape(shape) for share in shares}


def _by_name(prefix: str, figure: Callable[[Cells, str], tuple[Grid, Grid]]) -> Compute:
    def compute(cells: Cells, _: Moment) -> Values:
        names = [name for name in cells.number_names() if name.startswith(prefix)]
        if not names:
            return Values((), np.zeros((0, cells.n_buckets)), np.zeros((0, cells.n_buckets)))
        parts = [figure(cells, name) for name in names]
        values, n = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
        return Values(tuple(name.removeprefix(prefix) for name in names), values, n)

    return compute

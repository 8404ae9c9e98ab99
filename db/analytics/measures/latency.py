"""How long answers took: percentiles from log-bucket histograms (within 1 %), and all answers as a heat map."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from db.analytics.cells import Cells, Histogram
from db.analytics.measure import Measure, Moment
from db.analytics.values import Values
from db.eventlog.histogram import decode, value_of

#: Upper ends of the heat map's bands in ms: three to a decade, as people read 1, 2, 5, 10.
_STEPS = [step * 10.0**power for power in range(-1, 6) for step in (1, 2, 5)]


def percentiles(
    histogram: Histogram, n_positions: int, share: float, value: Callable[[np.ndarray], np.ndarray] = value_of
) -> np.ndarray:
    """The smallest value that at least `share` of the counted ones do not pass; NaN where nothing was counted.

    The definition of numpy.percentile(method="inverted_cdf"), on values that are exact to 1 %.
    """
    position, bucket, count = histogram
    found = np.full(n_positions, np.nan)
    if not len(position):
        return found
    running = np.cumsum(count)
    starts = np.flatnonzero(np.diff(position, prepend=-1))
    before = np.concatenate([[0], running[starts[1:] - 1]])
    totals = np.diff(np.append(before, running[-1]))
    ranks = np.maximum(np.ceil(share * totals - 1e-9), 1)
    places = np.searchsorted(running, before + ranks, side="left")
    found[position[starts]] = value(bucket[places])
    return found


def _percentile(share: float) -> Callable[[Cells, Moment], Values]:
    def compute(cells: Cells, _: Moment) -> Values:
        size = cells.shape[0] * cells.shape[1]
        found = percentiles(cells.histogram(decode), size, share).reshape(cells.shape)
        return Values(cells.series, found, cells.total("n_timed"))

    return compute


def _heatmap(cells: Cells, _: Moment) -> Values:
    return banded(cells.histogram(decode), cells.n_buckets, _STEPS, value_of)


def banded(
    histogram: Histogram, n_buckets: int, steps: Sequence[float], value: Callable[[np.ndarray], np.ndarray]
) -> Values:
    """One line per band with how many values lie in it; bands outside of all values in the window are left out."""
    position, bucket, count = histogram
    band = np.searchsorted(steps, value(bucket), side="left")
    column = position % n_buckets
    n_bands = len(steps) + 1
    counted = np.bincount(band * n_buckets + column, weights=count, minlength=n_bands * n_buckets)
    grid = counted.astype(np.float64).reshape(n_bands, n_buckets)
    used = np.flatnonzero(grid.sum(axis=1))
    if not len(used):
        return Values((), np.zeros((0, n_buckets)), np.zeros((0, n_buckets)))
    shown = range(int(used[0]), int(used[-1]) + 1)
    names = [f"{step:g}" for step in steps] + ["inf"]
    has_answers = grid.sum(axis=0) > 0
    values = np.where(has_answers, grid[shown.start : shown.stop], np.nan)
    return Values(tuple(names[number] for number in shown), values, grid[shown.start : shown.stop])


_INGREDIENTS = ("latency", "n_timed")
MEASURES = (
    *(
        Measure(f"latency_p{round(share * 100)}", "software", "ms", "up", "line", _INGREDIENTS, _percentile(share))
        for share in (0.5, 0.9, 0.95, 0.99)
    ),
    Measure("latency_heatmap", "software", "count", "none", "heatmap", _INGREDIENTS, _heatmap, "band_ms"),
)

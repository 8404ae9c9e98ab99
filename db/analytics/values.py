"""What a measure answers: a grid of values with their counts and intervals, series x buckets; undefined is NaN."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from db.analytics.cells import Grid

_Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Values:
    """`n` is what the value was computed from (events, timed events, pairs); bounds are there for rates only."""

    series: tuple[str, ...]
    value: Grid
    n: Grid
    lower: Grid | None = None
    upper: Grid | None = None


def ratio(hits: Grid, n: Grid) -> Grid:
    """hits / n, NaN where n is 0: a rate of nothing is undefined, not 0."""
    undefined: Grid = np.full(np.shape(n), np.nan)
    return np.divide(hits, n, out=undefined, where=n > 0)


def rate(series: tuple[str, ...], hits: Grid, n: Grid) -> Values:
    """A share with its 95 % Wilson interval in every bucket."""
    share = ratio(hits, n)
    return Values(series, share, n, *wilson(share, n))


def wilson(share: Grid, n: Grid) -> tuple[Grid, Grid]:
    """Lower and upper end of the 95 % Wilson interval of shares seen in n; NaN where n is 0."""
    z2 = _Z95 * _Z95
    many = np.where(n > 0, n, np.nan)
    centre = (share + z2 / (2 * many)) / (1 + z2 / many)
    half = _Z95 / (1 + z2 / many) * np.sqrt(np.maximum(share * (1 - share) / many + z2 / (4 * many * many), 0))
    lower = np.where(share == 0, 0.0, np.maximum(centre - half, 0))
    upper = np.where(share == 1, 1.0, np.minimum(centre + half, 1))
    return lower, upper


def stack(grids: dict[str, Grid], shape: tuple[int, int]) -> tuple[tuple[str, ...], Grid]:
    """One series per key out of grids that have one series each."""
    if not grids:
        return (), np.zeros((0, shape[1]))
    return tuple(grids), np.concatenate(list(grids.values()), axis=0)

"""Measures over windows that overlap: one window of `width_s` ends at every step. Alert rules read them, live for the
newest window and over months when a rule is tried on the past; many models at once, as series of one computation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from db.analytics.cells import Cells, Grid, Histogram, Part, merge_histogram
from db.analytics.judged import JudgedPairs
from db.analytics.windows import STORED_GRAINS, Window
from db.eventlog.histogram import ZERO_BUCKET

Ints = npt.NDArray[np.int64]
#: Steps of histograms summed at a time: a dense block of 2,000 steps and some 800 latency buckets is 13 MB.
_BLOCK = 2_000
#: Above this many log buckets only those that occur have a column.
_MAX_COLUMNS = 1_500


@dataclass(frozen=True)
class Steps:
    """Windows of `width_s` that end at `first_at`, `first_at + step_s`, ... (`n` of them)."""

    first_at: datetime
    n: int
    step_s: int
    width_s: int

    @property
    def per_window(self) -> int:
        """Steps in one window."""
        return self.width_s // self.step_s

    @property
    def ends(self) -> list[datetime]:
        return [self.first_at + timedelta(seconds=self.step_s * place) for place in range(self.n)]

    @property
    def base(self) -> Window:
        """All time that the windows touch, cut into steps that do not overlap."""
        start = self.first_at - timedelta(seconds=self.width_s)
        return Window(start, self.first_at + timedelta(seconds=self.step_s * (self.n - 1)), self.step_s)

    @property
    def stored_grain_s(self) -> int:
        """The coarsest stored roll-ups that these windows are sums of."""
        return max(grain for grain in STORED_GRAINS if self.step_s % grain == 0 and self.width_s % grain == 0)

    @property
    def window(self) -> Window:
        """The windows as the buckets of one chart, for measures that ask how much of a bucket has passed."""
        base = self.base
        return _SlidingWindow(base.start, base.start + timedelta(seconds=self.step_s * self.n), self.step_s, self)


@dataclass(frozen=True, slots=True)
class _SlidingWindow(Window):
    """`n` buckets as any window has, each of which lasts `width_s`."""

    steps: Steps

    def elapsed_s(self, now: datetime) -> npt.NDArray[np.float64]:
        passed = [self.steps.width_s - (end - now).total_seconds() for end in self.steps.ends]
        found: npt.NDArray[np.float64] = np.clip(np.array(passed, dtype=np.float64), 0.0, float(self.steps.width_s))
        return found


@dataclass(frozen=True)
class SlidingCells(Cells):
    """Cells summed over overlapping windows. `position` is series x base buckets + base bucket of each cell."""

    steps: Steps = Steps(datetime.min, 1, 300, 300)

    def _sum(self, position: Ints, weights: Grid) -> Grid:
        """Every sum of a measure goes through here: added up by steps that do not overlap, then over each window."""
        n_base = self.steps.base.n_buckets
        flat = np.bincount(position, weights=weights, minlength=len(self.series) * n_base)
        return roll(flat.reshape(len(self.series), n_base).astype(np.float64), self.steps.per_window)

    @property
    def _span(self) -> int:
        return self.steps.base.n_buckets

    def _merged(self, parts: list[Part]) -> Histogram:
        width = self.steps.per_window
        if width == 1 or not parts:
            return merge_histogram(parts)
        position = np.repeat(np.array([part[0] for part in parts], dtype=np.int64), [len(part[1]) for part in parts])
        bucket, count = (np.concatenate([part[field] for part in parts]).astype(np.int64) for field in (1, 2))
        n_base = self.steps.base.n_buckets
        series, place = np.divmod(position, n_base)
        rolled = []
        for number in range(len(self.series)):
            mine = series == number
            rolled += _roll_histogram(place[mine], bucket[mine], count[mine], width, n_base, number * self.n_buckets)
        if not rolled:
            return position[:0], bucket[:0], count[:0]
        positions, buckets, counts = (np.concatenate(column) for column in zip(*rolled, strict=True))
        return positions, buckets, counts  # in order already: series by series, window by window


def roll(grid: Grid, width: int) -> Grid:
    """Sums over `width` neighbouring buckets: one for each place where they fit."""
    if width == 1:
        return grid
    summed = np.cumsum(grid, axis=1)
    before = np.concatenate([np.zeros((grid.shape[0], 1)), summed[:, :-width]], axis=1)
    rolled: Grid = summed[:, width - 1 :] - before
    # Sums of counts are whole; what a difference of running sums adds to them is rounding.
    whole = np.rint(rolled)
    return np.where(np.abs(rolled - whole) < 1e-6, whole, rolled)


def _roll_histogram(
    place: Ints, bucket: Ints, count: Ints, width: int, n_base: int, shift: int
) -> list[tuple[Ints, Ints, Ints]]:
    """One series' latency counts over overlapping windows, a block of windows at a time."""
    if not len(place):
        return []
    names, code = _columns(bucket)
    found = []
    for first in range(0, n_base - width + 1, _BLOCK):
        n_ends = min(_BLOCK, n_base - width + 1 - first)
        mine = np.flatnonzero((place >= first) & (place < first + n_ends + width - 1))
        if not len(mine):
            continue
        flat = (place[mine] - first + 1) * len(names) + code[mine]
        dense = np.bincount(flat, weights=count[mine], minlength=(n_ends + width) * len(names))
        summed = np.cumsum(dense.astype(np.int64).reshape(n_ends + width, len(names)), axis=0)
        rolled = summed[width:] - summed[:-width]
        at, which = np.nonzero(rolled)
        found.append((at + first + shift, names[which], rolled[at, which]))
    return found


def _columns(bucket: Ints) -> tuple[Ints, Ints]:
    """The log buckets from the lowest to the highest, led by that of zero, and the place of each bucket among them."""
    is_zero = bucket == ZERO_BUCKET
    known = bucket[~is_zero]
    low, high = (int(known.min()), int(known.max())) if len(known) else (0, -1)
    if high - low > _MAX_COLUMNS:  # numbers of either sign lie far apart
        found = np.unique(bucket, return_inverse=True)
        return found[0].astype(np.int64), found[1].astype(np.int64)
    names = np.concatenate([[ZERO_BUCKET], np.arange(low, high + 1)]).astype(np.int64)
    return names, np.where(is_zero, 0, bucket - low + 1)


def place_cells(table: Any, keys: Sequence[Any], series: Sequence[Any], steps: Steps) -> SlidingCells:
    """Cells placed for sliding windows; `keys` names the series of each cell, and is one of `series`."""
    times = table["bucket_at"].cast("int64").to_numpy() if table.num_rows else np.zeros(0, dtype=np.int64)
    base = steps.base
    index = base.index_of(times.astype(np.int64))
    code = {name: number for number, name in enumerate(series)}
    codes = np.array([code[key] for key in keys], dtype=np.int64)
    inside = (index >= 0) & (index < base.n_buckets)
    if not inside.all():
        table, index, codes = table.filter(inside), index[inside], codes[inside]
    return SlidingCells(table, tuple(series), steps.n, codes * base.n_buckets + index, steps)


def slide_pairs(pairs: JudgedPairs, steps: Steps) -> JudgedPairs:
    """Pairs that were placed in the steps of `steps.base`, each repeated in every window that covers it."""
    width = steps.per_window
    series, place = np.divmod(pairs.position, steps.base.n_buckets)
    chosen, ends = [], []
    for back in range(width):
        end = place - (width - 1) + back
        inside = np.flatnonzero((end >= 0) & (end < steps.n))
        chosen.append(inside)
        ends.append(series[inside] * steps.n + end[inside])
    rows, position = np.concatenate(chosen), np.concatenate(ends)
    return JudgedPairs(
        pairs.series,
        steps.n,
        position,
        pairs.is_equal[rows],
        pairs.says_defect[rows],
        pairs.is_defect[rows],
        pairs.weight[rows],
    )

"""Time windows of charts: grain, alignment, buckets and the period before. All times are UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

#: Grains that roll-ups are stored in; every coarser grain is a sum of one of them.
STORED_GRAINS = (300, 3_600, 86_400)
#: Grains that a chart may have; each is a multiple of the stored grain it is summed from.
GRAINS = (300, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 604_800, 2_419_200)
#: A browser draws 2,000 points in about 85 ms and 50,000 in about 600 ms.
MAX_POINTS = 2_000
#: Natural grain by length of the range: 5 minutes up to 2 days, 1 hour up to 90 days, else 1 day.
_NATURAL = ((timedelta(days=2), 300), (timedelta(days=90), 3_600))
#: A Monday, so that weeks begin on Mondays and all finer grains on full days and hours.
_ORIGIN = datetime(1970, 1, 5, tzinfo=UTC)

Indexes = npt.NDArray[np.int64]


class UnusableWindow(ValueError):
    """The range or grain that was asked for cannot be drawn."""


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open range [start, end) cut into buckets of `grain_s` seconds, aligned to the grain."""

    start: datetime
    end: datetime
    grain_s: int

    @property
    def n_buckets(self) -> int:
        return int((self.end - self.start).total_seconds()) // self.grain_s

    @property
    def stored_grain_s(self) -> int:
        """The coarsest stored grain that sums up to this window's grain."""
        return max(grain for grain in STORED_GRAINS if self.grain_s % grain == 0)

    @property
    def bucket_starts(self) -> list[datetime]:
        step = timedelta(seconds=self.grain_s)
        return [self.start + index * step for index in range(self.n_buckets)]

    def previous(self) -> Window:
        """The period of the same length just before."""
        return Window(self.start - (self.end - self.start), self.start, self.grain_s)

    def index_of(self, times_us: Indexes) -> Indexes:
        """Bucket number of each time given in microseconds since 1970; outside the window: below 0 or too high."""
        start_us = int(self.start.timestamp()) * 1_000_000
        return (times_us - start_us) // (self.grain_s * 1_000_000)

    def elapsed_s(self, now: datetime) -> npt.NDArray[np.float64]:
        """How many seconds of each bucket have passed at `now`: 0 in the future, a part in the running bucket."""
        passed = [(now - start).total_seconds() for start in self.bucket_starts]
        return np.minimum(np.maximum(np.array(passed, dtype=np.float64), 0.0), float(self.grain_s))


def make_window(start: datetime, end: datetime, grain_s: int | None = None) -> Window:
    """The window that covers [start, end): the asked or natural grain, coarsened to at most 2,000 points.

    >>> make_window(datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 31, tzinfo=UTC)).grain_s
    3600
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise UnusableWindow("times need a zone")
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if end <= start:
        raise UnusableWindow("the range ends before it begins")
    if start.year < 1970 or end.year > 2500:
        raise UnusableWindow("the range lies outside the years 1970 to 2500")
    if grain_s is not None and grain_s not in GRAINS:
        raise UnusableWindow(f"the grain is one of {', '.join(map(str, GRAINS))} seconds")
    length = end - start
    wanted = grain_s or next((grain for limit, grain in _NATURAL if length <= limit), 86_400)
    for grain in GRAINS:
        if grain < wanted:
            continue
        window = Window(_floor(start, grain), _ceil(end, grain), grain)
        if window.n_buckets <= MAX_POINTS:
            return window
    raise UnusableWindow(f"the range is longer than {MAX_POINTS * GRAINS[-1] // 86_400} days")


def _floor(at: datetime, grain_s: int) -> datetime:
    return _ORIGIN + timedelta(seconds=int((at - _ORIGIN).total_seconds() // grain_s) * grain_s)


def _ceil(at: datetime, grain_s: int) -> datetime:
    floor = _floor(at, grain_s)
    return floor if floor == at else floor + timedelta(seconds=grain_s)

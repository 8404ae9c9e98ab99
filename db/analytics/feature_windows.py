"""Feature counts of windows: sealed cells and the hot tail in one snapshot, summed over a window or per bucket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from db.analytics.windows import Window
from db.engine import Database
from db.eventlog.feature_counts import COUNT_GRAINS_S, decode_counts
from db.eventlog.feature_profile import Profile
from db.eventlog.feature_store import profiles
from db.repositories import feature_counts

if TYPE_CHECKING:
    from db.eventlog.log import EventLog

Ints = npt.NDArray[np.int64]
Span = tuple[datetime, datetime]
_HOUR, _DAY = COUNT_GRAINS_S
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Slice:
    """Which events count: of one version (else all that callers got: no shadow answers), of one segment value."""

    version: str | None = None
    role: str | None = None
    segment: tuple[str, str] | None = None

    def takes(self, version: str, role: str) -> bool:
        if self.version is not None and version != self.version:
            return False
        if self.role is not None:
            return role == self.role
        return self.version is not None or role != "shadow"


class ReferenceGone(LookupError):
    """The reference was deleted."""


@dataclass(frozen=True)
class FeatureWindows:
    """Reads counts on one reference's bins."""

    database: Database
    eventlog: EventLog
    model_id: str
    reference_id: str

    def profile(self) -> Profile:
        """The reference's frozen bins; ReferenceGone when it was deleted."""
        with self.database.read() as session:
            found = profiles(session, [self.reference_id]).get(self.reference_id)
        if found is None:
            raise ReferenceGone(self.reference_id)
        return found

    def total(self, spans: Sequence[Span], chosen: Slice) -> Ints:
        """The counts of all events of the spans [start, end), as one vector over the profile's bins. Whole UTC days
        inside a span are read as days."""
        profile = self.profile()
        total = np.zeros(profile.n_bins, dtype=np.int64)
        parts = {_HOUR: [], _DAY: []}  # type: dict[int, list[Span]]
        for start, end in spans:
            for grain_s, span in split_days(start, end):
                parts[grain_s].append(span)
        for _, counts in self._cells(profile, parts, chosen):
            total += counts
        return total

    def series(self, window: Window, chosen: Slice) -> Ints:
        """The counts per bucket of the window, buckets x bins. The window's grain is a multiple of an hour."""
        profile = self.profile()
        grain_s = _DAY if window.grain_s % _DAY == 0 else _HOUR
        found = np.zeros((window.n_buckets, profile.n_bins), dtype=np.int64)
        for at, counts in self._cells(profile, {grain_s: [(window.start, window.end)]}, chosen):
            found[int((at - window.start).total_seconds()) // window.grain_s] += counts
        return found

    def _cells(self, profile: Profile, parts: dict[int, list[Span]], chosen: Slice) -> Iterator[tuple[datetime, Ints]]:
        key, value = chosen.segment or ("", None)
        spec = self.eventlog.models.by_id(self.model_id)
        with self.database.read() as session:
            hot = self.eventlog.hot_features.cells(session, spec, self.reference_id, profile)
            sealed = [
                row
                for grain_s, spans in parts.items()
                if spans
                for row in feature_counts.window_cells(session, self.reference_id, grain_s, spans, key, value)
            ]
        for at, version, role, _, _, blob in sealed:
            if chosen.takes(version, role):
                yield at, decode_counts(blob)
        for cell in hot:
            grain_s, at, version, role, cell_key, cell_value = cell.key
            is_inside = any(start <= at < end for start, end in parts.get(grain_s, []))
            is_chosen = cell_key == key and (value is None or cell_value == value) and chosen.takes(version, role)
            if is_inside and is_chosen:
                yield at, cell.counts


def align_hours(start: datetime, end: datetime) -> Span:
    """The whole hours that cover a window.

    >>> align_hours(datetime(2026, 5, 1, 8, 20, tzinfo=UTC), datetime(2026, 5, 1, 9, 1, tzinfo=UTC))[1].hour
    10
    """
    first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    last = end.astimezone(UTC)
    floor = last.replace(minute=0, second=0, microsecond=0)
    return first, floor if floor == last and floor > first else floor + timedelta(hours=1)


def split_days(start: datetime, end: datetime) -> Iterator[tuple[int, Span]]:
    """A span of whole hours as the hours before the first whole UTC day, the days, and the hours after the last."""
    midnight = start.replace(hour=0)
    first = midnight if midnight == start else midnight + timedelta(days=1)
    last = end.replace(hour=0)
    if first >= last:
        yield _HOUR, (start, end)
        return
    if start < first:
        yield _HOUR, (start, first)
    yield _DAY, (first, last)
    if last < end:
        yield _HOUR, (last, end)


def past_weeks(span: Span, n_weeks: int) -> list[Span]:
    """The same hours of the weeks before; a span longer than a week steps back by as many weeks as it touches."""
    step = -(-(span[1] - span[0]) // WEEK)
    n_steps = max(1, n_weeks // step)
    return [(span[0] - WEEK * step * back, span[1] - WEEK * step * back) for back in range(1, n_steps + 1)]

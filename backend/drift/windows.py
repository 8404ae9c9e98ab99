"""Counts for verdicts: a reference and a window (or many) read from cells, ready for the pure rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from backend.drift.verdicts import Shape
from db.analytics.feature_windows import WEEK, FeatureWindows, Slice, Span, past_weeks
from db.analytics.windows import Window
from db.engine import Database
from db.eventlog.feature_bins import FeatureBins, bin_labels
from db.eventlog.feature_profile import Profile
from db.eventlog.log import EventLog
from db.models.drift import DriftReference

Counts = npt.NDArray[np.int64]
#: A feature that the model has and the reference has not.
NOT_IN_REFERENCE = "not_in_reference"
_HOUR = timedelta(hours=1)
#: Up to this many windows are read one by one, whole days of them as days; for more, each hour is read once.
_FEW = 3
#: Numbers that are held at a time while many windows are summed (32 MB), and the hours of ends that are always taken.
_HELD, _LEAST_HOURS = 4_000_000, 48


@dataclass(frozen=True)
class Counted:
    """Counts per feature: of the reference (bins,) or (windows, bins), and of the window(s)."""

    profile: Profile
    shapes: list[Shape]
    reference: list[Counts]
    current: list[Counts]


def shape_of(bins: FeatureBins) -> Shape:
    """What the rules need to know of a feature's bins."""
    is_step = np.zeros(max(0, len(bins.edges) - 1), dtype=bool)
    is_step[bins.steps[0] : bins.steps[1]] = True
    return Shape(bins.column, bins.kind, bins.groups, bins.edges, is_step, bins.scale, bins.reach, bins.unseen_bin)


def missing_shapes(profile: Profile, columns: list[str]) -> list[Shape]:
    """Features that the model has now and the reference knows nothing of: each fails by itself."""
    return [Shape(name, "number", (0,), trouble=NOT_IN_REFERENCE) for name in columns if name not in profile.columns]


def read_window(
    database: Database, eventlog: EventLog, reference: DriftReference, span: tuple[datetime, datetime], chosen: Slice
) -> Counted:
    """The counts of one window of whole hours."""
    reader = FeatureWindows(database, eventlog, reference.model_id, reference.id)
    profile = reader.profile()
    current = reader.total([span], chosen)
    frozen = profile.counts
    if reference.kind == "weeks":
        frozen = reader.total(past_weeks(span, int(reference.facts.get("weeks", 1))), chosen)
    return _counted(profile, frozen, current)


def read_series(
    database: Database, eventlog: EventLog, reference: DriftReference, window: Window, chosen: Slice
) -> Counted:
    """The counts of every bucket of a window; a reference of past weeks gives each bucket its own."""
    reader = FeatureWindows(database, eventlog, reference.model_id, reference.id)
    profile = reader.profile()
    if reference.kind != "weeks":
        return _counted(profile, profile.counts, reader.series(window, chosen))
    weeks = int(reference.facts.get("weeks", 1))
    shift = max(1, int(WEEK.total_seconds()) // window.grain_s)
    before = Window(window.start - WEEK * weeks, window.end, window.grain_s)
    counts = reader.series(before, chosen)
    current = counts[len(counts) - window.n_buckets :]
    past = sum(
        counts[len(counts) - window.n_buckets - shift * back : len(counts) - shift * back]
        for back in range(1, weeks + 1)
    )
    return _counted(profile, np.asarray(past), current)


def read_windows(
    database: Database,
    eventlog: EventLog,
    reference: DriftReference,
    ends: Sequence[datetime],
    width: timedelta,
    chosen: Slice,
) -> Iterator[Counted]:
    """The counts of windows of `width` that end at these hours, which rise: a few windows after one another, as
    (windows, bins). Windows may overlap, and each hour is read about once."""
    reader = FeatureWindows(database, eventlog, reference.model_id, reference.id)
    profile = reader.profile()
    n_weeks = int(reference.facts.get("weeks", 1)) if reference.kind == "weeks" else 0
    block = max(_LEAST_HOURS, _HELD // max(1, profile.n_bins)) * _HOUR
    rest = list(ends)
    while rest:
        n_taken = sum(end < rest[0] + block for end in rest)
        taken, rest = rest[:n_taken], rest[n_taken:]
        spans = [(end - width, end) for end in taken]
        past = [past_weeks(span, n_weeks) for span in spans] if n_weeks else []
        sums = _sum_each if len(spans) <= _FEW else _sum_sliding
        frozen = sums(reader, past, chosen) if n_weeks else profile.counts
        yield _counted(profile, frozen, sums(reader, [[span] for span in spans], chosen))


def _sum_each(reader: FeatureWindows, groups: Sequence[Sequence[Span]], chosen: Slice) -> Counts:
    return np.stack([reader.total(spans, chosen) for spans in groups])


def _sum_sliding(reader: FeatureWindows, groups: Sequence[Sequence[Span]], chosen: Slice) -> Counts:
    """The same from one reading of all hours: a window is the difference of two running sums."""
    start = min(span[0] for spans in groups for span in spans)
    end = max(span[1] for spans in groups for span in spans)
    hours = reader.series(Window(start, end, int(_HOUR.total_seconds())), chosen)
    running = np.zeros((len(hours) + 1, hours.shape[1]), dtype=np.int64)
    np.cumsum(hours, axis=0, out=running[1:])
    total = np.zeros((len(groups), hours.shape[1]), dtype=np.int64)
    for place, spans in enumerate(groups):
        for first, last in spans:
            total[place] += running[(last - start) // _HOUR] - running[(first - start) // _HOUR]
    return total


def _counted(profile: Profile, frozen: Counts, current: Counts) -> Counted:
    places = range(len(profile.features))
    return Counted(
        profile,
        [shape_of(bins) for bins in profile.features],
        [profile.part(frozen, place) for place in places],
        [profile.part(current, place) for place in places],
    )


def coarse_labels(bins: FeatureBins) -> list[tuple[str, float | None, float | None]]:
    """(text, lower, upper) of every coarse bin."""
    fine = list(bin_labels(bins))
    ends = [*bins.groups[1:], len(fine)]
    found = []
    for first, end in zip(bins.groups, ends, strict=True):
        text, low, _ = fine[first]
        found.append((text, low, fine[end - 1][2]) if bins.kind == "number" else (text, None, None))
    return found


def fine_bins(bins: FeatureBins, coarse: list[int]) -> list[int]:
    """The fine bins inside some coarse ones."""
    ends = [*bins.groups[1:], bins.n_bins]
    return [place for one in coarse if 0 <= one < len(bins.groups) for place in range(bins.groups[one], ends[one])]


def is_whole(reference: DriftReference, start: datetime) -> bool:
    """Whether everything from `start` on is counted."""
    return reference.state == "ready" or (reference.counted_from_at is not None and start >= reference.counted_from_at)

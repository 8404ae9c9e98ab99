"""Counts for verdicts: a reference and a window (or many) read from cells, ready for the pure rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from backend.drift.verdicts import Shape
from db.analytics.feature_windows import WEEK, FeatureWindows, Slice, past_weeks
from db.analytics.windows import Window
from db.engine import Database
from db.eventlog.feature_bins import FeatureBins, bin_labels
from db.eventlog.feature_profile import Profile
from db.eventlog.log import EventLog
from db.models.drift import DriftReference

Counts = npt.NDArray[np.int64]
#: A feature that the model has and the reference has not.
NOT_IN_REFERENCE = "not_in_reference"


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

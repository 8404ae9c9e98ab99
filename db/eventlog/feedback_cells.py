"""Roll-up cells of feedback: what was told about predictions, added where the predictions were counted. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from db.eventlog import numbers
from db.eventlog.rollup import GRAINS_S, SUMS, Cell, merge_cells

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Told:
    """One signal about one prediction, with where the prediction was counted."""

    name: str
    value: float | None
    predicted_at: datetime
    version: str
    role: str
    segments: Mapping[str, str | None]


def feedback_cells(told: Iterable[Told], segment_keys: Sequence[str]) -> list[Cell]:
    """Cells for all grains, in total and per segment key: counts["feedback"] has how many predictions per signal,
    numbers["feedback:<name>"] their values. All other counts are zero."""
    cells = [
        _cell(one, grain_s, key, value)
        for one in told
        for grain_s in GRAINS_S
        for key, value in (("", ""), *((key, one.segments.get(key) or "") for key in segment_keys))
    ]
    return merge_cells([cells])


def _cell(one: Told, grain_s: int, segment_key: str, segment_value: str) -> Cell:
    seconds = int((one.predicted_at - _EPOCH).total_seconds()) // grain_s * grain_s
    kept = {}
    if one.value is not None:
        buckets = numbers.signed_bucket_of(np.array([one.value]))
        histogram = numbers.encode_histogram(buckets, np.ones(1, dtype=np.int64))
        kept["feedback:" + one.name] = numbers.Kept(1, one.value, histogram)
    return {
        "grain_s": grain_s,
        "bucket_at": _EPOCH + timedelta(seconds=seconds),
        "version": one.version,
        "role": one.role,
        "segment_key": segment_key,
        "segment_value": segment_value,
        **dict.fromkeys(SUMS, 0),
        "latency": b"",
        "numbers": numbers.encode(kept),
        "counts": {"feedback": {one.name: 1}},
    }

"""Sliding windows against sums made window by window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from db.analytics.catalog import BY_NAME
from db.analytics.cells import group_cells
from db.analytics.judged import pair_up
from db.analytics.measure import JudgedMeasure, Measure, Moment
from db.analytics.sliding import Steps, place_cells, roll, slide_pairs
from db.analytics.watched import join_ranges
from db.analytics.windows import Window
from db.eventlog import histogram

T0 = datetime(2026, 5, 4, tzinfo=UTC)
RNG = np.random.default_rng(3)


def cells(n: int) -> pa.Table:
    """Five-minute cells of two versions with counts, latencies and labels, some of them missing."""
    rows = []
    for place in range(n):
        for version in ("v1", "v2"):
            if RNG.random() < 0.1:
                continue
            buckets, counts = np.unique(histogram.bucket_of(RNG.lognormal(3, 1, 30)), return_counts=True)
            rows.append(
                {
                    "bucket_at": T0 + timedelta(seconds=300 * place),
                    "version": version,
                    "n_events": int(RNG.integers(1, 90)),
                    "n_errors": int(RNG.integers(0, 5)),
                    "n_timeouts": 0,
                    "n_timed": int(counts.sum()),
                    "latency": histogram.encode(buckets, counts),
                    "counts": f'{{"labels": {{"ok": 5, "ng": {RNG.integers(0, 9)}}}}}',
                }
            )
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize("name", ["error_rate", "requests", "throughput", "latency_p95"])
def test_a_measure_over_sliding_windows_is_the_measure_over_each_window(name: str) -> None:
    table, measure = cells(60), BY_NAME[name]
    assert isinstance(measure, Measure)
    steps = Steps(T0 + timedelta(hours=1), 40, 300, 3600)
    found = measure.compute(
        place_cells(table, table["version"].to_pylist(), ("v1", "v2"), steps), Moment(steps.window, steps.ends[-1])
    )
    for place, end in enumerate(steps.ends):
        window = Window(end - timedelta(hours=1), end, 3600)
        alone = measure.compute(group_cells(table, window, "version"), Moment(window, steps.ends[-1]))
        assert found.value[:, place] == pytest.approx(alone.value[:, 0], nan_ok=True)
        assert found.n[:, place] == pytest.approx(alone.n[:, 0])


def test_shares_of_labels_over_sliding_windows() -> None:
    table, steps = cells(30), Steps(T0 + timedelta(minutes=30), 5, 300, 1800)
    measure = BY_NAME["label_shares"]
    assert isinstance(measure, Measure)
    placed = place_cells(table, [""] * table.num_rows, ("",), steps)
    found = measure.compute(placed, Moment(steps.window, steps.ends[-1]))
    assert found.value.sum(axis=0) == pytest.approx(np.ones(5))


def test_pairs_count_in_every_window_that_covers_them() -> None:
    steps = Steps(T0 + timedelta(days=7), 3, 86_400, 7 * 86_400)
    place = np.array([0, 3, 8])
    pairs = pair_up(["a", "b", "a"], ["a", "a", "a"], place, None, steps.base.n_buckets, frozenset(), [1, 1, 1])
    measure = BY_NAME["human_ai_agreement"]
    assert isinstance(measure, JudgedMeasure)
    found = measure.compute(slide_pairs(pairs, steps))
    assert found.n.tolist() == [[2, 1, 2]]
    assert found.value.tolist() == [[0.5, 0.0, 0.5]]


def test_running_sums_of_counts_stay_whole() -> None:
    grid = RNG.integers(0, 10**9, (1, 3000)).astype(float)
    rolled = roll(grid, 288)
    assert (rolled == np.convolve(grid[0], np.ones(288), "valid").round()[None]).all()


def test_ranges_are_joined_where_they_touch() -> None:
    day = timedelta(days=1)
    assert join_ranges([(T0, T0 + day), (T0 + 3 * day, T0 + 4 * day), (T0 + day, T0 + 2 * day)]) == [
        (T0, T0 + 2 * day),
        (T0 + 3 * day, T0 + 4 * day),
    ]

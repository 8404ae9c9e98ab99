"""Every measure against pandas and numpy on the same rows, from roll-ups and from rows, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy

from db.analytics.catalog import BY_NAME, MEASURES
from db.analytics.series import Selection, series
from db.analytics.windows import Window, make_window
from db.eventlog.filters import Filter
from tests.analytics.conftest import FINISHES, START, Story
from tests.conftest import on_sqlite

END = START + timedelta(days=1, hours=12)
LATER = END + timedelta(days=30)


def share(column: Callable[[pd.DataFrame], Any]) -> Callable[[pd.DataFrame], float]:
    return lambda rows: float(np.mean(np.asarray(column(rows), dtype=float)))


def percentile(q: float) -> Callable[[pd.DataFrame], float]:
    def by_numpy(rows: pd.DataFrame) -> float:
        values = rows.latency_ms.dropna().astype(float)
        return float(np.percentile(values, q, method="inverted_cdf")) if len(values) else float("nan")

    return by_numpy


def old_new(rows: pd.DataFrame) -> float:
    pairs = rows[rows.champion_prediction.notna()]
    return float((pairs.champion_prediction == pairs.prediction).mean()) if len(pairs) else float("nan")


TRUTH: dict[str, Callable[[pd.DataFrame], float]] = {
    "requests": lambda rows: float(len(rows)),
    "error_rate": share(lambda rows: rows.status.isin(["error", "timeout"])),
    "timeout_rate": share(lambda rows: rows.status == "timeout"),
    "cache_hit_rate": share(lambda rows: rows.is_cached),
    "null_output_rate": share(lambda rows: rows.prediction.isna()),
    "incomplete_rate": share(lambda rows: rows.brightness.isna() | rows.gain.isna()),
    "missing_rate": share(lambda rows: rows[["brightness", "gain", "finish", "note"]].isna()),
    "mean_score": lambda rows: float(rows.score.dropna().astype(float).mean()),
    "old_new_agreement": old_new,
    "latency_p50": percentile(50),
    "latency_p90": percentile(90),
    "latency_p95": percentile(95),
    "latency_p99": percentile(99),
    "mean_entropy": lambda rows: float(rows.scores.dropna().map(entropy).mean()),
}


def by_hand(rows: pd.DataFrame, window: Window, name: str) -> list[float]:
    """The measure in each bucket, straight from the rows; NaN where there are none."""
    bucket = ((rows.happened_at - pd.Timestamp(window.start)).dt.total_seconds() // window.grain_s).astype(int)
    groups = dict(iter(rows.groupby(bucket)))
    nothing = 0.0 if name == "requests" else float("nan")
    return [TRUTH[name](groups[i]) if i in groups else nothing for i in range(window.n_buckets)]


def drawn(story: Story, name: str, window: Window, selection: Selection) -> dict[str, list[float]]:
    table = series(story.charts, story.model, name, window, selection, LATER).to_pandas()
    return {name: lines.value.astype(float).tolist() for name, lines in table.groupby("series", sort=False)}


def tolerance(name: str) -> float:
    return 0.0101 if name.startswith("latency") else 1e-9


def test_every_measure_equals_pandas_in_every_bucket(story: Story) -> None:
    for grain_s in (300, 3_600, 10_800, 86_400):
        window = make_window(START, END, grain_s)
        for name in TRUTH:
            line = drawn(story, name, window, Selection())[""]
            expected = by_hand(story.rows, window, name)
            assert line == pytest.approx(expected, rel=tolerance(name), nan_ok=True), (name, grain_s)


SELECTIONS = {
    "version": (Selection(version="v1"), lambda rows: rows[rows.version == "v1"]),
    "role": (Selection(role="shadow"), lambda rows: rows[rows.role == "shadow"]),
    "segment": (Selection(segments={"line": "L2"}), lambda rows: rows[rows.line == "L2"]),
    "segment and version": (
        Selection(version="v2", segments={"shift": "day"}),
        lambda rows: rows[(rows.version == "v2") & (rows["shift"] == "day")],
    ),
    "two segments": (
        Selection(segments={"line": "L2", "shift": "day"}),
        lambda rows: rows[(rows.line == "L2") & (rows["shift"] == "day")],
    ),
    "condition": (
        Selection(where=(Filter("in_brightness", "lt", 0.5),)),
        lambda rows: rows[rows.brightness.astype(float) < 0.5],
    ),
}


@pytest.mark.parametrize("case", SELECTIONS)
def test_filtered_measures_equal_pandas(story: Story, case: str) -> None:
    selection, narrow = SELECTIONS[case]
    window = make_window(START, END, 3_600)
    for name in TRUTH:
        line = drawn(story, name, window, selection)[""]
        expected = by_hand(narrow(story.rows), window, name)
        assert line == pytest.approx(expected, rel=tolerance(name), nan_ok=True), name


@pytest.mark.parametrize("split", ["version", "role", "segment:line"])
def test_split_lines_equal_pandas(story: Story, split: str) -> None:
    window = make_window(START, END, 3_600)
    column = split.removeprefix("segment:")
    for name in ("requests", "null_output_rate", "latency_p95"):
        found = drawn(story, name, window, Selection(split=split))
        assert set(found) == set(story.rows[column])
        for value, line in found.items():
            expected = by_hand(story.rows[story.rows[column] == value], window, name)
            assert line == pytest.approx(expected, rel=tolerance(name), nan_ok=True)


@on_sqlite
def test_roll_ups_and_rows_give_the_same_lines(story: Story) -> None:
    window = make_window(START, END, 3_600)
    everything = Selection(where=(Filter("event_id", "not_null"),))
    for measure in MEASURES:
        if measure.source == "rollups":
            fast = drawn(story, measure.name, window, Selection())
            slow = drawn(story, measure.name, window, everything)
            assert fast.keys() == slow.keys()
            for name, line in fast.items():
                assert slow[name] == pytest.approx(line, rel=1e-9, nan_ok=True), (measure.name, name)


def test_label_shares_equal_pandas(story: Story) -> None:
    window = make_window(START, END, 86_400)
    found = drawn(story, "label_shares", window, Selection())
    answered = story.rows[story.rows.prediction.notna()]
    expected = answered.groupby(answered.happened_at.dt.floor("D")).prediction.value_counts(normalize=True).unstack()
    for label in ("ok", "open", "short"):
        assert found[label] == pytest.approx(expected[label].tolist())


def test_errors_by_kind_and_missing_by_field_equal_pandas(story: Story) -> None:
    window = make_window(START, END, 86_400)
    days = story.rows.happened_at.dt.floor("D")
    kinds = story.rows.error.where(story.rows.error.notna(), story.rows.status)
    for kind, line in drawn(story, "error_rate_by_kind", window, Selection()).items():
        assert line == pytest.approx((kinds == kind).groupby(days).mean().tolist())
    fields = drawn(story, "missing_rate_by_field", window, Selection())
    assert fields["it's gain"] == pytest.approx(story.rows.gain.isna().groupby(days).mean().tolist())
    assert fields["brightness"] == pytest.approx(story.rows.brightness.isna().groupby(days).mean().tolist())


def test_numbers_equal_numpy_with_signs_and_gaps(story: Story) -> None:
    window = make_window(START, END, 86_400)
    days = story.rows.happened_at.dt.floor("D")
    depth = story.rows.depth.dropna().astype(float).groupby(days)
    assert drawn(story, "metric_mean", window, Selection())["depth"] == pytest.approx(depth.mean().tolist(), rel=1e-9)
    for name, q in (("metric_p50", 0.5), ("metric_p95", 0.95)):
        exact = depth.quantile(q, interpolation="lower").tolist()
        assert drawn(story, name, window, Selection())["depth"] == pytest.approx(exact, rel=0.02, abs=0.5), name
    notes = drawn(story, "input_length", window, Selection())
    assert notes == {"note": pytest.approx(story.rows.note.str.len().groupby(days).mean().tolist())}


def test_score_percentiles_and_heat_map_equal_numpy(story: Story) -> None:
    window = make_window(START, END, 86_400)
    days = story.rows.happened_at.dt.floor("D")
    scores = story.rows.score.dropna().astype(float)
    found = drawn(story, "score_percentiles", window, Selection())
    for share in (5, 25, 50, 75, 95):
        exact = [np.percentile(values, share, method="inverted_cdf") for _, values in scores.groupby(days)]
        assert found[f"p{share}"] == pytest.approx(exact, rel=0.0101)
    assert np.nansum(list(drawn(story, "score_heatmap", window, Selection()).values())) == len(scores)


def test_values_outside_of_what_inputs_declare_are_counted(story: Story) -> None:
    window = make_window(START, END, 86_400)
    days = story.rows.happened_at.dt.floor("D")
    brightness = story.rows.brightness.astype(float)
    strange = ((brightness < 0.1) | (brightness > 0.95)).groupby(days).mean().tolist()
    assert drawn(story, "out_of_range_rate", window, Selection()) == {"brightness": pytest.approx(strange)}
    unseen = (story.rows.finish == FINISHES[2]).groupby(days).mean().tolist()
    assert drawn(story, "unseen_category_rate", window, Selection()) == {"finish": pytest.approx(unseen)}


PICKS = {
    "missing_rate_by_field:brightness": lambda rows: float(rows.brightness.isna().mean()),
    "missing_rate_by_field:finish": lambda rows: 0.0,
    "out_of_range_rate:brightness": lambda rows: float(
        ((rows.brightness.astype(float) < 0.1) | (rows.brightness.astype(float) > 0.95)).mean()
    ),
    "label_shares:open": lambda rows: float((rows.prediction.dropna() == "open").mean()),
    "metric_mean:depth": lambda rows: float(rows.depth.dropna().astype(float).mean()),
}


@pytest.mark.parametrize("split", [None, "version", "segment:line"])
def test_one_line_of_a_measure_can_be_split_like_any_other(story: Story, split: str | None) -> None:
    window = make_window(START, END, 43_200)
    for name, truth in PICKS.items():
        found = drawn(story, name, window, Selection(split=split))
        assert len(found) == (1 if split is None else story.rows[(split or "").removeprefix("segment:")].nunique())
        for value, line in found.items():
            rows = story.rows if split is None else story.rows[story.rows[split.removeprefix("segment:")] == value]
            bucket = (rows.happened_at - pd.Timestamp(START)).dt.total_seconds() // window.grain_s
            expected = [truth(group) for _, group in rows.groupby(bucket.astype(int))]
            assert line == pytest.approx(expected, rel=1e-9, abs=1e-12), (name, value)


def test_a_line_that_was_never_seen_is_no_number(story: Story) -> None:
    window = make_window(START, END, 86_400)
    assert np.isnan(drawn(story, "metric_mean:nobody", window, Selection())[""]).all()
    assert drawn(story, "label_shares:nobody", window, Selection())[""] == [0.0, 0.0]


def test_heat_map_counts_every_timed_answer_once(story: Story) -> None:
    window = make_window(START, END, 3_600)
    found = drawn(story, "latency_heatmap", window, Selection())
    assert np.nansum(list(found.values())) == story.rows.latency_ms.notna().sum()


def test_previous_period_has_the_values_that_its_own_chart_shows(story: Story) -> None:
    window = make_window(START + timedelta(hours=12), START + timedelta(hours=24), 3_600)
    measure = BY_NAME["null_output_rate"]
    lines = story.charts.lines(story.model, measure, window, Selection(split="version"), LATER, previous=True)
    own = drawn(story, "null_output_rate", window.previous(), Selection(split="version"))
    assert lines.previous is not None
    for number, name in enumerate(lines.values.series):
        assert lines.previous.value[number].tolist() == pytest.approx(own[name], nan_ok=True)


def test_hours_without_events_are_gaps(story: Story) -> None:
    window = make_window(START, END, 3_600)
    gap = slice(12, 17)
    assert np.isnan(drawn(story, "error_rate", window, Selection())[""][gap]).all()
    assert drawn(story, "requests", window, Selection())[""][gap] == [0.0] * 5


def test_buckets_that_have_not_begun_have_no_count(story: Story) -> None:
    window = make_window(START, END, 3_600)
    now = START + timedelta(hours=2, minutes=30)
    found = series(story.charts, story.model, "throughput", window, Selection(version="none"), now)
    assert found.num_rows == 36
    assert found["value"].to_pylist()[:3] == [0.0, 0.0, 0.0]
    assert set(found["value"].to_pylist()[3:]) == {None}

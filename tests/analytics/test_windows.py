"""Grain, alignment and buckets of chart windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from db.analytics.windows import GRAINS, MAX_POINTS, UnusableWindow, make_window

START = datetime(2026, 5, 6, 10, 17, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("length", "grain_s"),
    [
        (timedelta(hours=1), 300),
        (timedelta(days=2), 300),
        (timedelta(days=2, seconds=1), 3_600),
        (timedelta(days=80), 3_600),
        (timedelta(days=90), 7_200),
        (timedelta(days=91), 86_400),
        (timedelta(days=3_000), 604_800),
    ],
)
def test_natural_grain_follows_the_length_of_the_range(length: timedelta, grain_s: int) -> None:
    assert make_window(START, START + length).grain_s == grain_s


def test_no_window_has_more_points_than_a_chart_can_draw() -> None:
    for days in (1, 2, 7, 30, 83, 84, 90, 400, 2_000, 5_000, 20_000):
        for grain_s in (None, *GRAINS):
            window = make_window(START, START + timedelta(days=days), grain_s)
            assert 0 < window.n_buckets <= MAX_POINTS
            assert window.grain_s % window.stored_grain_s == 0


def test_range_is_widened_to_whole_buckets() -> None:
    window = make_window(START, START + timedelta(hours=3), 3_600)
    assert window.start == datetime(2026, 5, 6, 10, tzinfo=UTC)
    assert window.end == datetime(2026, 5, 6, 14, tzinfo=UTC)
    assert window.n_buckets == 4


def test_other_zones_are_read_as_the_same_moment() -> None:
    hanoi = timezone(timedelta(hours=7))
    assert make_window(START.astimezone(hanoi), START.astimezone(hanoi) + timedelta(hours=1)) == make_window(
        START, START + timedelta(hours=1)
    )


def test_weeks_begin_on_monday() -> None:
    assert make_window(START, START + timedelta(days=30), 604_800).start.isoweekday() == 1


def test_previous_period_ends_where_this_one_begins() -> None:
    window = make_window(START, START + timedelta(days=7), 3_600)
    before = window.previous()
    assert before.end == window.start
    assert before.n_buckets == window.n_buckets


def test_times_fall_into_the_bucket_that_contains_them() -> None:
    window = make_window(START, START + timedelta(hours=1), 300)
    first = int(window.start.timestamp()) * 1_000_000
    times = np.array([first - 1, first, first + 300_000_000 - 1, first + 300_000_000])
    assert window.index_of(times).tolist() == [-1, 0, 0, 1]


def test_running_and_future_buckets_have_partly_and_not_elapsed() -> None:
    window = make_window(START, START + timedelta(hours=2), 3_600)
    now = window.start + timedelta(hours=1, minutes=15)
    assert window.elapsed_s(now).tolist() == [3600.0, 900.0, 0.0]


@pytest.mark.parametrize(
    ("start", "end", "grain_s"),
    [
        (START, START, None),
        (START, START - timedelta(hours=1), None),
        (START.replace(tzinfo=None), START, None),
        (START, START + timedelta(hours=1), 7),
        (START, datetime(9999, 12, 31, tzinfo=UTC), None),
        (datetime(1970, 1, 1, tzinfo=UTC), datetime(2400, 1, 1, tzinfo=UTC), None),
        (datetime(1, 1, 8, tzinfo=UTC), START, None),
    ],
)
def test_windows_that_cannot_be_drawn_are_refused(start, end, grain_s) -> None:
    with pytest.raises(UnusableWindow):
        make_window(start, end, grain_s)

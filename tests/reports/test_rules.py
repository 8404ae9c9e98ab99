"""When reports are due: exact moments, and what must hold in every zone and over every change of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.reports.rules import Weekly, last_due, next_due, window_of, window_until

ZONES = (
    "UTC",
    "Asia/Ho_Chi_Minh",
    "Asia/Kolkata",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
)
RULES = st.builds(Weekly, st.integers(0, 6), st.integers(0, 23), st.sampled_from(ZONES))
MOMENTS = st.datetimes(datetime(2010, 1, 1), datetime(2035, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))
FEW = settings(max_examples=300, deadline=None)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("rule", "after", "expected"),
    [
        (Weekly(0, 7, "Asia/Ho_Chi_Minh"), "2026-03-06T12:00+07:00", "2026-03-09T07:00+07:00"),
        (Weekly(0, 7, "Asia/Ho_Chi_Minh"), "2026-03-09T06:59:59+07:00", "2026-03-09T07:00+07:00"),
        (Weekly(0, 7, "Asia/Ho_Chi_Minh"), "2026-03-09T07:00+07:00", "2026-03-16T07:00+07:00"),
        # Berlin's clocks go from 2 to 3 on 29 March 2026, a Sunday: 2 o'clock is skipped, the report comes at 3.
        (Weekly(6, 2, "Europe/Berlin"), "2026-03-28T00:00+01:00", "2026-03-29T03:00+02:00"),
        # On 25 October 2026 2 o'clock comes twice: the first counts, the second makes no second report.
        (Weekly(6, 2, "Europe/Berlin"), "2026-10-24T00:00+02:00", "2026-10-25T02:00+02:00"),
        (Weekly(6, 2, "Europe/Berlin"), "2026-10-25T02:00+02:00", "2026-11-01T02:00+01:00"),
        (Weekly(6, 2, "Europe/Berlin"), "2026-10-25T02:00+01:00", "2026-11-01T02:00+01:00"),
        # Lord Howe moves its clocks by half an hour.
        (Weekly(6, 2, "Australia/Lord_Howe"), "2026-10-03T00:00+10:30", "2026-10-04T02:30+11:00"),
        # It is Sunday in New York and Monday in Ho Chi Minh City.
        (Weekly(0, 0, "Asia/Ho_Chi_Minh"), "2026-03-08T12:59-04:00", "2026-03-09T00:00+07:00"),
    ],
)
def test_the_next_moment_is_the_wall_clocks(rule: Weekly, after: str, expected: str) -> None:
    assert next_due(rule, at(after)) == at(expected)


@FEW
@given(RULES, MOMENTS)
def test_now_lies_between_the_last_moment_and_the_next(rule: Weekly, now: datetime) -> None:
    before, after = last_due(rule, now), next_due(rule, now)
    assert before <= now < after
    assert next_due(rule, before) == after
    assert last_due(rule, after) == after
    assert last_due(rule, after - timedelta(microseconds=1)) == before


@FEW
@given(RULES, MOMENTS)
def test_moments_are_a_week_apart_but_for_changes_of_the_clocks(rule: Weekly, now: datetime) -> None:
    first = next_due(rule, now)
    apart = next_due(rule, first) - first
    # Apia skipped a whole day in 2011: that is the widest of all jumps.
    assert timedelta(days=6) <= apart <= timedelta(days=8)
    wall = first.astimezone(ZoneInfo(rule.timezone))
    if wall.hour == rule.hour:
        assert (wall.minute, wall.second) == (0, 0)
        assert wall.weekday() == rule.weekday or rule.timezone == "Pacific/Apia"


@FEW
@given(RULES, MOMENTS)
def test_windows_follow_each_other_without_gap_or_overlap(rule: Weekly, now: datetime) -> None:
    due = next_due(rule, now)
    start, end = window_of(rule, due)
    assert start < end <= due
    assert timedelta(days=6) <= end - start <= timedelta(days=8)
    local = end.astimezone(ZoneInfo(rule.timezone))
    following = window_of(rule, next_due(rule, due))
    if rule.timezone != "Pacific/Apia":
        assert following[0] == end
        assert due.astimezone(ZoneInfo(rule.timezone)).date() == local.date()


def test_a_week_in_which_the_clocks_change_is_an_hour_shorter_or_longer() -> None:
    hours = {}
    for due in ("2026-03-30T07:00+02:00", "2026-10-26T07:00+01:00", "2026-06-01T07:00+02:00"):
        start, end = window_of(Weekly(0, 7, "Europe/Berlin"), at(due))
        hours[due[5:7]] = (end - start) / timedelta(hours=1)
    assert hours == {"03": 167, "10": 169, "06": 168}


@FEW
@given(st.integers(1, 92), st.sampled_from(ZONES), MOMENTS)
def test_a_report_made_now_reaches_from_a_midnight_to_now(days: int, zone: str, now: datetime) -> None:
    start, end = window_until(now, days, zone)
    assert now < end <= now + timedelta(minutes=5)
    assert end.minute % 5 == 0
    assert timedelta(days=days - 1) - timedelta(days=2) <= end - start <= timedelta(days=days) + timedelta(hours=26)

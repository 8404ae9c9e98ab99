"""Conditions against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

from backend.alerts.conditions import Condition, Reading, judge, judge_verdict
from db.analytics.values import wilson


@pytest.mark.parametrize(
    ("value", "level"), [(0.01, "ok"), (0.02, "ok"), (0.021, "warning"), (0.1, "warning"), (0.2, "alert")]
)
def test_a_threshold_is_crossed_and_not_touched(value: float, level: str) -> None:
    assert judge(Condition("threshold", warning=0.02, alert=0.1), Reading(value, 100)).level == level


def test_below_is_the_other_way_round() -> None:
    condition = Condition("threshold", direction="below", warning=0.9, alert=0.75)
    assert [judge(condition, Reading(value, 100)).level for value in (0.95, 0.8, 0.7)] == ["ok", "warning", "alert"]
    low, lower = (judge(condition, Reading(value, 100)).score for value in (0.8, 0.7))
    assert lower > low


def test_few_events_are_no_data_and_so_is_nothing() -> None:
    condition = Condition("threshold", alert=0.1)
    assert judge(condition, Reading(0.5, 49), min_n=50).level is None
    assert judge(condition, Reading(None, 100)).level is None


def test_a_cautious_rule_compares_the_near_end_of_the_interval() -> None:
    import numpy as np

    lower, upper = wilson(np.array(0.06), np.array(50.0))
    reading = Reading(0.06, 50, float(lower), float(upper))
    assert judge(Condition("threshold", alert=0.05), reading).level == "alert"
    assert judge(Condition("threshold", alert=0.05, is_cautious=True), reading).level == "ok"
    below = Condition("threshold", direction="below", alert=0.1, is_cautious=True)
    assert judge(below, reading).level == "ok"


def test_a_change_is_held_against_the_median_of_the_past_weeks() -> None:
    condition = Condition("change", against="past_weeks", mode="relative", alert=0.5)
    past = [Reading(100.0, 99), Reading(110.0, 99), Reading(9_000.0, 99), Reading(None, 0)]
    seen = judge(condition, Reading(164.0, 99), past, min_n=50, unit="ms")
    assert (seen.level, seen.reference) == ("ok", 110.0)
    assert judge(condition, Reading(166.0, 99), past, min_n=50, unit="ms").level == "alert"
    assert seen.score == pytest.approx(164 / 110 - 1)


def test_a_change_may_be_absolute_or_either_way() -> None:
    past = [Reading(0.1, 99)]
    assert judge(Condition("change", mode="absolute", alert=0.05), Reading(0.16, 99), past).level == "alert"
    either = Condition("change", mode="absolute", direction="either", alert=0.05)
    assert judge(either, Reading(0.04, 99), past).level == "alert"
    assert judge(Condition("change", direction="below", alert=0.5), Reading(0.04, 99), past).level == "alert"


def test_silence_is_seen_only_where_there_used_to_be_traffic() -> None:
    condition = Condition("change", against="past_weeks", direction="below", alert=0.98)
    busy, quiet = [Reading(500.0, 500.0)] * 3, [Reading(3.0, 3.0)] * 3
    nothing = Reading(0.0, 0.0)
    assert judge(condition, nothing, busy, min_n=50, unit="count").level == "alert"
    assert judge(condition, nothing, quiet, min_n=50, unit="count").level is None
    assert judge(condition, nothing, [], min_n=50, unit="count").level is None


def test_growth_from_nothing_is_beyond_every_limit_and_still_a_number() -> None:
    seen = judge(Condition("change", alert=100.0), Reading(0.1, 99), [Reading(0.0, 99)])
    assert seen.level == "alert"
    assert math.isfinite(seen.score)
    assert judge(Condition("change", alert=0.5), Reading(0.0, 99), [Reading(0.0, 99)]).level == "ok"


def test_a_budget_burns_when_both_windows_say_so() -> None:
    """14.4 times a budget of 0.1 % is 1.44 % errors (Google, The Site Reliability Workbook, chapter 5)."""
    condition = Condition("burn_rate", alert=14.4, objective=0.999)
    assert judge(condition, Reading(0.0145, 1000), short=Reading(0.02, 100)).level == "alert"
    assert judge(condition, Reading(0.0143, 1000), short=Reading(0.02, 100)).level == "ok"
    assert judge(condition, Reading(0.0145, 1000), short=Reading(0.0, 100)).level == "ok"
    good = judge(condition, Reading(1 - 0.0145, 1000), short=Reading(0.9, 100), bad="down")
    assert good.level == "alert"


def test_only_drift_that_matters_alerts() -> None:
    assert judge_verdict("drifted", "missing", 0.4, 99).level == "alert"
    assert judge_verdict("negligible", None, 0.01, 99).level == "ok"
    assert judge_verdict("insufficient", "needs 200 rows", None, 9).level is None
    assert judge_verdict("failed", "all null", None, 9).reason == "all null"


@pytest.mark.parametrize("value", [0.0, 1e-9, 0.5, 1.0, 1e12])
def test_a_finite_value_never_gives_an_infinite_score(value: float) -> None:
    for condition in (
        Condition("threshold", alert=1.0),
        Condition("change", alert=1.0),
        Condition("burn_rate", alert=1),
    ):
        seen = judge(condition, Reading(value, 9), [Reading(0.0, 9)], Reading(value, 9))
        assert math.isfinite(seen.score)

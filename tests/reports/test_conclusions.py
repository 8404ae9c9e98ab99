"""What a report concludes: exact cases of every verdict, intervals against SciPy, days joined into spells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from scipy.stats import binomtest

from backend.comparisons.schemas import Rate
from backend.monitors.schemas import Figure
from dashboard.kit.text import reading_as
from dashboard.reports import answers
from dashboard.reports.conclusions import (
    difference,
    items_needed,
    judge_against_people,
    judge_automation,
    next_level,
    spells,
)
from dashboard.reports.facts import Step, newest_enough, split
from dashboard.reports.limits import Complaint, judge
from tests.dashboard.fake_api import _summary

T0 = datetime(2026, 3, 2, tzinfo=UTC)


def figure(hits: int, n: int) -> Figure:
    low, high = binomtest(hits, n).proportion_ci(method="wilson")
    return Figure(value=hits / n, n=n, lower=low, upper=high)


def rate(hits: int, n: int) -> Rate:
    found = figure(hits, n)
    return Rate(value=found.value, n=n, lower=found.lower, upper=found.upper)


def facts(**changes: Any) -> Any:
    """A model that is well, in shadow, as good as its people."""
    given: dict[str, Any] = {
        "champion": "v3", "automation_level": "shadow", "state": "ok", "reasons": [],
        "human_ai_agreement": figure(1900, 2000),
    } | {name: changes.pop(name) for name in list(changes) if name in
         {"champion", "automation_level", "state", "reasons", "human_ai_agreement"}}  # fmt: skip
    floor = changes.pop("floor", rate(950, 1000))
    comparison = SimpleNamespace(
        noise_floor=SimpleNamespace(n_subjects=floor.n, agreement=floor) if floor else None,
        by_segment=[],
        agreement=floor,
    )
    base: dict[str, Any] = {
        "now": SimpleNamespace(**given), "state": given["state"], "people": comparison, "floor": comparison,
        "escape": None, "people_truth": None, "activity": None, "drift": None, "alerts": None, "challengers": [],
        "made_at": T0, "start": T0, "end": T0 + timedelta(days=7), "series": {},
    }  # fmt: skip
    return SimpleNamespace(**(base | changes))


@pytest.mark.parametrize(
    ("ours", "floor", "expected"),
    [
        (Figure(), rate(950, 1000), "no_labels"),
        (figure(40, 42), rate(950, 1000), "too_few"),
        (figure(1900, 2000), rate(950, 1000), "as_good"),
        (figure(1700, 2000), rate(950, 1000), "worse"),
        (figure(88, 96), rate(78, 82), "unclear"),
        (figure(1900, 2000), None, "good_alone"),
        (figure(1500, 2000), None, "low_alone"),
        (figure(90, 100), None, "open_alone"),
    ],
)
def test_a_model_is_measured_by_what_people_reach_among_themselves(
    ours: Figure, floor: Rate | None, expected: str
) -> None:
    assert judge_against_people(ours, floor) == expected


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """Examples of Newcombe 1998, table II, method 10."""
    for (a, m, b, n), expected in {
        (56, 70, 48, 80): (0.0524, 0.3339),
        (9, 10, 3, 10): (0.1705, 0.8090),
        (10, 10, 0, 10): (0.6075, 1.0000),
    }.items():
        first, second = figure(a, m), figure(b, n)
        found = difference(
            (first.value or 0, first.lower or 0, first.upper or 0),
            (second.value or 0, second.lower or 0, second.upper or 0),
        )
        assert found == pytest.approx(expected, abs=6e-5)


def test_the_items_needed_make_the_interval_two_points_wide_to_each_side() -> None:
    needed = items_needed(figure(90, 100))
    whole = figure(round(0.9 * (100 + needed)), 100 + needed)
    assert whole.upper is not None
    assert whole.lower is not None
    assert (whole.upper - whole.lower) / 2 == pytest.approx(0.02, abs=0.0005)
    assert items_needed(figure(1900, 2000)) == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "one_step"),
        ({"automation_level": "full"}, "already_full"),
        ({"champion": None}, "no_champion"),
        ({"state": "no_data"}, "no_data"),
        ({"state": "warning"}, "not_while_unwell"),
        ({"state": "bad"}, "not_while_unwell"),
        ({"state": "bad", "automation_level": "partial"}, "step_back"),
        ({"human_ai_agreement": figure(1600, 2000)}, "not_worse_than_people"),
        ({"human_ai_agreement": figure(1600, 2000), "automation_level": "full"}, "step_back"),
        ({"human_ai_agreement": figure(95, 100)}, "not_enough"),
        (
            {
                "escape": figure(40, 100),
                "people_truth": SimpleNamespace(inspection_a=SimpleNamespace(miss=rate(5, 100))),
            },
            "misses_more",
        ),
    ],
)
def test_automation_follows_health_people_and_misses_in_that_order(changes: dict[str, Any], expected: str) -> None:
    assert judge_automation(facts(**changes)) == expected


def test_levels_go_up_and_down_by_one_and_stop_at_the_ends() -> None:
    assert [next_level(level) for level in ("human_only", "partial", "full", None)] == [
        "shadow", "full", "full", "shadow",
    ]  # fmt: skip
    assert next_level("human_only", -1) == "human_only"


def step(day: int, *reasons: Complaint) -> Step:
    summary = judge(_summary("m", "ok")).model_copy(update={"reasons": list(reasons)})
    return Step(T0 + timedelta(days=day), T0 + timedelta(days=day + 1), summary)


def test_a_stretch_is_judged_by_limits_against_the_one_before() -> None:
    calm, rough = judge(_summary("m", "ok")), judge(_summary("m", "bad"))
    assert (calm.state, calm.reasons) == ("ok", [])
    assert rough.state == "bad"
    assert [(one.measure, one.state) for one in rough.reasons] == [
        ("null_output_rate", "bad"),
        ("error_rate", "warning"),
    ]
    slow = _summary("m", "ok").model_copy(update={"error_rate": figure(300, 1000)})
    assert [(one.state, one.code) for one in judge(slow).reasons] == [("bad", "above_limit")]
    silent = _summary("m", "ok").model_copy(update={"events": Figure(value=0, previous=900, n=0)})
    assert judge(silent).reasons[0].code == "silent"
    nothing = _summary("m", "ok").model_copy(update={"events": Figure()})
    assert judge(nothing).state == "no_data"


def complaint(measure: str, value: float, code: str = "above_limit") -> Complaint:
    return Complaint(measure=measure, state="warning", code=code, value=value)  # type: ignore[arg-type]


def test_neighbouring_days_with_one_complaint_are_one_spell_with_its_worst_day() -> None:
    found = spells(
        [
            step(0, complaint("error_rate", 0.03)),
            step(1, complaint("error_rate", 0.09), complaint("human_ai_agreement", 0.8, "below_limit")),
            step(2, complaint("error_rate", 0.04), complaint("human_ai_agreement", 0.7, "below_limit")),
            step(3, complaint("requests", 0.0, "silent")),
            step(4, complaint("error_rate", 0.05)),
        ]
    )
    told = [(spell.complaint.measure, spell.n_days, spell.complaint.value, spell.worst.start.day) for spell in found]
    assert told == [("error_rate", 3, 0.09, 3), ("human_ai_agreement", 2, 0.7, 4), ("error_rate", 1, 0.05, 6)]


def test_the_window_is_cut_at_local_midnights_in_days_or_weeks() -> None:
    start = datetime(2026, 3, 26, 23, tzinfo=UTC)  # midnight in Berlin, whose clocks change on the 29th
    parts = split(start, start + timedelta(hours=167), "Europe/Berlin")
    assert [(b - a) / timedelta(hours=1) for a, b in parts] == [24, 24, 23, 24, 24, 24, 24]
    assert parts[0][0] == start
    assert all(a[1] == b[0] for a, b in pairwise(parts))
    weeks = split(start, start + timedelta(days=30), "UTC")
    assert len(weeks) == 5
    assert split(start, start + timedelta(minutes=20), "UTC") == [(start, start + timedelta(minutes=20))]


def test_truth_is_read_from_the_newest_weeks_that_hold_enough_of_it() -> None:
    points = SimpleNamespace(value=[0.1, 0.2, 0.3], n=[90.0, 40.0, 5.0], lower=[0.0, 0.1, 0.2], upper=[0.2, 0.3, 0.4])
    found = newest_enough(SimpleNamespace(lines=[points]))  # type: ignore[arg-type]
    assert found == Figure(value=0.2, n=40, lower=0.1, upper=0.3)
    assert newest_enough(SimpleNamespace(lines=[])) is None  # type: ignore[arg-type]


def test_next_steps_put_the_way_back_first_and_are_at_most_six() -> None:
    reasons = [
        Complaint(measure=name, state="bad", code="above_limit", value=0.3)
        for name in ("error_rate", "missing_rate", "null_output_rate")
    ]
    given = facts(state="bad", automation_level="full", reasons=reasons)
    with reading_as("en"):
        said = answers.next_steps(given)
        assert said[0].startswith("Go back to “the model decides when it is sure”")
        assert len(said) <= 6
        assert answers.next_steps(facts(automation_level="full")) == [
            "Nothing needs doing. Let it run and keep checking a random sample."
        ]

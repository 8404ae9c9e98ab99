"""The state machine: exact steps, and what must hold whatever is seen in whatever order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.alerts.rules import (
    RANK,
    Observation,
    Outcome,
    Policy,
    SeriesState,
    Silence,
    due_points,
    is_silenced,
    recall,
    remember,
    step,
)

T0 = datetime(2026, 5, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)
LEVELS = ("ok", "warning", "alert", None)


def run(policy: Policy, levels: list[str | None], **more: bool) -> list[Outcome]:
    """One look every five minutes."""
    state, outcomes = SeriesState(), []
    for place, level in enumerate(levels):
        outcomes.append(step(policy, state, Observation(level), T0 + place * STEP, **more))
        state = outcomes[-1].state
    return outcomes


def changes(outcomes: list[Outcome]) -> list[tuple[int, str]]:
    return [(place, name) for place, one in enumerate(outcomes) for name in one.changes]


def messages(outcomes: list[Outcome]) -> list[tuple[int, str]]:
    return [(place, name) for place, one in enumerate(outcomes) for name in one.messages]


def test_a_level_must_hold_before_it_fires_and_be_gone_before_it_ends() -> None:
    policy = Policy(hold_s=600, clear_s=600)
    outcomes = run(policy, ["alert", "ok", "alert", "alert", "alert", "ok", "alert", "ok", "ok", "ok"])
    assert changes(outcomes) == [(4, "opened"), (9, "closed")]
    assert [one.state.state for one in outcomes] == ["ok"] * 4 + ["alert"] * 5 + ["ok"]


def test_a_warning_that_becomes_an_alert_is_one_incident_told_twice() -> None:
    outcomes = run(Policy(), ["warning", "warning", "alert", "warning", "ok"])
    assert changes(outcomes) == [(0, "opened"), (2, "worsened"), (3, "eased"), (4, "closed")]
    assert messages(outcomes) == [(0, "opened"), (2, "worsened"), (4, "closed")]
    assert {one.state.number for one in outcomes} == {1}


def test_warnings_count_towards_the_hold_of_a_warning_while_the_alert_comes_and_goes() -> None:
    outcomes = run(Policy(hold_s=600), ["warning", "alert", "warning", "alert", "alert", "alert"])
    assert changes(outcomes) == [(2, "opened"), (5, "worsened")]


@pytest.mark.parametrize(
    ("no_data", "states"),
    [
        ("keep", ["ok", "ok", "alert", "alert", "ok"]),
        ("ok", ["ok", "ok", "alert", "ok", "ok"]),
        ("alert", ["ok", "alert", "alert", "alert", "ok"]),
        ("no_data", ["ok", "no_data", "alert", "no_data", "ok"]),
    ],
)
def test_no_data_means_what_the_rule_says(no_data: str, states: list[str]) -> None:
    outcomes = run(Policy(no_data=no_data), ["ok", None, "alert", None, "ok"])  # type: ignore[arg-type]
    assert [one.state.state for one in outcomes] == states


def test_an_incident_outlives_a_stretch_without_data() -> None:
    outcomes = run(Policy(), ["alert", None, "alert", None, "ok"])
    assert changes(outcomes) == [(0, "opened"), (4, "closed")]


def test_reminders_come_at_their_interval_until_somebody_takes_care() -> None:
    policy = Policy(renotify_s=900)
    assert messages(run(policy, ["alert"] * 8)) == [(0, "opened"), (3, "reminded"), (6, "reminded")]
    state = step(policy, SeriesState(), Observation("alert"), T0).state
    later = step(policy, state, Observation("alert"), T0 + timedelta(hours=9), is_acknowledged=True)
    assert later.messages == ()


def test_what_a_silence_held_back_is_told_when_it_is_over_if_it_still_fires() -> None:
    quiet = run(Policy(), ["alert", "alert"], is_muted=True)
    assert messages(quiet) == []
    after = step(Policy(), quiet[-1].state, Observation("alert"), T0 + 2 * STEP)
    assert (after.changes, after.messages) == ((), ("opened",))
    ended = step(Policy(), quiet[-1].state, Observation("ok"), T0 + 2 * STEP)
    assert (ended.changes, ended.messages) == (("closed",), ())


def test_silences_match_their_rule_model_and_time() -> None:
    everything = Silence(None, None, T0, T0 + STEP)
    of_model = Silence(None, "m", T0, T0 + STEP)
    of_rule = Silence("r", None, T0, T0 + STEP)
    assert is_silenced([everything], "x", "y", T0)
    assert not is_silenced([everything], "x", "y", T0 + STEP)
    assert is_silenced([of_model], "x", "m", T0)
    assert not is_silenced([of_model, of_rule], "x", "y", T0)
    assert is_silenced([of_rule], "r", "y", T0)


def test_windows_end_on_a_grid_behind_the_clock_and_missed_ones_are_made_up_for() -> None:
    now = T0 + timedelta(minutes=14, seconds=30)
    assert due_points(300, 60, None, now, 10) == [T0 + timedelta(minutes=10)]
    assert due_points(300, 60, T0 + 2 * STEP, now, 10) == []
    assert due_points(300, 600, None, now, 10) == [T0]
    missed = due_points(300, 0, T0 - timedelta(hours=1), now, 3)
    assert missed == [T0, T0 + STEP, T0 + 2 * STEP]


# --- whatever is seen ---

policies = st.builds(
    Policy,
    hold_s=st.sampled_from([0, 300, 900]),
    clear_s=st.sampled_from([0, 300, 900]),
    renotify_s=st.sampled_from([0, 600, 3600]),
    no_data=st.sampled_from(["keep", "ok", "alert", "no_data"]),
)
looks = st.lists(st.tuples(st.sampled_from(LEVELS), st.booleans(), st.booleans()), min_size=1, max_size=40)


@given(policies, looks)
@settings(max_examples=150, deadline=None)
def test_incidents_open_and_close_in_turn_and_nothing_is_told_of_an_unknown_one(policy: Policy, seen: list) -> None:
    state, is_open, told_at, is_told = SeriesState(), False, None, False
    bad_for = 0
    for place, (level, muted, known) in enumerate(seen):
        now = T0 + place * STEP
        outcome = step(policy, state, Observation(level), now, is_muted=muted, is_acknowledged=known)
        counts_as = level if level or policy.no_data in ("keep", "no_data") else policy.no_data
        if counts_as is not None:
            bad_for = bad_for + 1 if RANK[counts_as] else 0
        elif policy.no_data == "no_data":
            bad_for = 0
        for change in outcome.changes:
            assert is_open == (change != "opened")
            if change == "opened":
                assert (bad_for - 1) * 300 >= policy.hold_s or policy.no_data == "keep"
                is_told = False
            is_open = change != "closed"
        assert is_open == (outcome.state.open_level is not None)
        assert not (muted and outcome.messages)
        for message in outcome.messages:
            assert is_open or message == "closed"
            if message == "opened":
                assert not is_told
            if message == "closed":
                assert is_told
            if message == "reminded":
                assert policy.renotify_s
                assert not known
                assert told_at is not None
                assert (now - told_at).total_seconds() >= policy.renotify_s
            is_told, told_at = message != "closed", now
        if not is_open:
            is_told = False
        state = outcome.state


@given(policies, looks, st.integers(0, 39))
@settings(max_examples=100, deadline=None)
def test_a_restart_anywhere_changes_nothing_and_the_same_look_counts_once(policy: Policy, seen: list, cut: int) -> None:
    def fold(restarts: bool) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        state, found = SeriesState(), []
        for place, (level, muted, known) in enumerate(seen):
            if restarts and place == cut:
                state = recall(remember(state))
            now = T0 + place * STEP
            outcome = step(policy, state, Observation(level), now, is_muted=muted, is_acknowledged=known)
            again = step(policy, outcome.state, Observation("alert"), now)
            assert (again.state, again.changes, again.messages) == (outcome.state, (), ())
            state = outcome.state
            found.append((outcome.changes, outcome.messages))
        return found

    assert fold(restarts=True) == fold(restarts=False)

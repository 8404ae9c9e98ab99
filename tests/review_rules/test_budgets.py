"""Budgets of items a day: the rate is known before the items, meets the budget on average, and estimates stay right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from review.rules.budgets import BudgetBook, hourly_rate
from review.rules.replay import Logged, replay
from review.rules.sampling import Answer, ReviewPolicy, join_chances, unit

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
LOW = Answer(is_null=False, disagrees=False, score=0.2)
SURE = Answer(is_null=False, disagrees=False, score=0.99)


@pytest.mark.parametrize(
    ("before", "sent", "left", "expected"),
    [
        ([], 0, 24, 0.0),  # nothing is known yet
        ([10.0] * 24, 0, 24, 0.5),  # 5 an hour of 10
        ([2.0] * 24, 0, 24, 1.0),  # fewer than the budget: all of them
        ([10.0] * 24, 110, 2, 0.5),  # 10 left for 2 hours
        ([10.0] * 24, 130, 2, 0.0),  # spent
        ([10.0] * 23 + [100.0], 0, 24, 0.05),  # a rush counts at once
        ([0.0] * 24, 0, 24, 1.0),  # a lull: at most one item is expected
    ],
)
def test_the_rate_spreads_what_is_left_over_the_hours_left(
    before: list[float], sent: float, left: int, expected: float
) -> None:
    assert hourly_rate(120, before, sent, left) == pytest.approx(expected)


def test_a_rate_once_set_stays_whatever_comes_in_its_hour() -> None:
    book = BudgetBook({"low_confidence": 24.0})
    for hour in range(24):
        book.rates(MIDNIGHT + timedelta(hours=hour))
        book.count("low_confidence", MIDNIGHT + timedelta(hours=hour), 10)
    tomorrow = MIDNIGHT + timedelta(days=1)
    first = book.rate("low_confidence", tomorrow)
    book.count("low_confidence", tomorrow, 100_000)
    assert book.rate("low_confidence", tomorrow) == first == pytest.approx(0.1)


def week(seed: int, per_hour: float = 40) -> list[Logged]:
    """A week of uncertain answers whose number swings with the hour of the day and doubles in the middle."""
    rng, events = np.random.default_rng(seed), []
    for hour in range(24 * 7):
        mean = per_hour * (1 + 0.8 * np.sin(hour * np.pi / 12)) * (2 if hour >= 96 else 1)
        for number in range(int(rng.poisson(mean))):
            at = MIDNIGHT + timedelta(hours=hour, seconds=float(rng.uniform(0, 3600)))
            events.append(Logged(f"{seed}:{hour}:{number}", at, LOW))
    return sorted(events, key=lambda event: event.happened_at)


def test_the_budget_is_met_on_average_through_swings_and_a_doubling() -> None:
    policy = ReviewPolicy.from_fields({"epsilon": 0.001, "budgets": {"low_confidence": 100}})
    per_day = [
        n / 6 for n in (sum(list(replay(policy, week(seed)).by_day.values())[1:]) for seed in range(20))
    ]  # the first day learns
    assert np.mean(per_day) == pytest.approx(100, rel=0.08)
    assert max(per_day) < 130


def test_inverse_probabilities_recover_the_mean_under_a_budget() -> None:
    """Items of a rush differ from others; weights by the rates in force must undo that rushes are picked less."""
    policy = ReviewPolicy.from_fields({"epsilon": 0.02, "budgets": {"low_confidence": 200}})
    errors = []
    for seed in range(30):
        events = week(seed)
        one = policy.from_fields({**policy.as_fields(), "seed": seed})
        book, total, truth = BudgetBook(one.budgets), 0.0, 0
        for event in events:
            hour = event.happened_at.replace(minute=0, second=0, microsecond=0)
            is_wrong = unit(99, event.subject_id) < (0.4 if event.happened_at >= MIDNIGHT + timedelta(days=4) else 0.1)
            truth += is_wrong
            pi = max(one.epsilon, book.rate("low_confidence", hour))
            book.count("low_confidence", hour)
            total += is_wrong / pi if unit(one.seed, event.subject_id) < pi else 0.0
        errors.append(total / truth - 1)
    assert abs(np.mean(errors)) < 4 * np.std(errors) / len(errors) ** 0.5


def test_an_item_in_several_strata_is_picked_with_the_probability_of_the_union() -> None:
    rates = {"null_output": 0.3, "drifted_bin": 0.5, "alert": 0.2, "low_confidence": 0.1, "disagreement": 0.0}
    policy = ReviewPolicy(epsilon=0.05, rates=rates)
    both = Answer(is_null=True, disagrees=False, score=0.1, is_in_drifted_bin=True, is_in_alert=True)
    n = 20_000
    events = [Logged(f"s{number}", MIDNIGHT, both) for number in range(n)]
    found = replay(policy, events)
    assert found.least_pi == 0.5
    assert found.n_items / n == pytest.approx(0.5, abs=4 * (0.25 / n) ** 0.5)
    assert set(found.by_reason) == {"null_output", "drifted_bin"}  # the gravest that picks it names the reason
    assert found.by_reason["null_output"] / n == pytest.approx(0.3, abs=0.015)


def test_draws_under_two_seeds_join_as_independent_ones_do() -> None:
    n = 40_000
    either = sum(unit(1, f"s{k}") < 0.3 or unit(2, f"s{k}") < 0.2 for k in range(n)) / n
    assert join_chances({"1": 0.3, "2": 0.2}) == pytest.approx(0.44)
    assert either == pytest.approx(0.44, abs=4 * (0.25 / n) ** 0.5)


def test_a_subject_is_sent_once_and_its_least_chance_is_its_largest() -> None:
    policy = ReviewPolicy(epsilon=1e-9)
    events = [Logged("a", MIDNIGHT, SURE), Logged("a", MIDNIGHT, LOW), Logged("a", MIDNIGHT, LOW)]
    found = replay(policy, events)
    assert (found.n_items, found.by_reason["low_confidence"], found.least_pi) == (1, 1, 1.0)


def test_a_sampled_replay_cuts_the_budget_as_it_cuts_the_traffic() -> None:
    policy = ReviewPolicy.from_fields({"epsilon": 0.001, "budgets": {"low_confidence": 200}})
    events = week(5)
    whole = replay(policy, events)
    quarter = [event for event in events if unit(7, event.subject_id) < 0.25]
    assert replay(policy, quarter, every=4).n_items * 4 == pytest.approx(whole.n_items, rel=0.2)


def test_planted_items_come_at_their_declared_shares() -> None:
    policy = ReviewPolicy(epsilon=1.0, gold_share=0.1, repeat_share=0.05, injected_share=0.2)
    found = replay(policy, [Logged(f"s{k}", MIDNIGHT, SURE) for k in range(20_000)])
    shares = {kind: n / found.n_items for kind, n in found.planted.items()}
    assert shares == pytest.approx({"gold": 0.1, "repeat": 0.05, "injected": 0.2}, abs=0.012)


def test_second_opinions_are_asked_at_their_share() -> None:
    policy = ReviewPolicy(epsilon=1.0, n_wanted=2, second_opinion_share=0.3)
    found = replay(policy, [Logged(f"s{k}", MIDNIGHT, SURE) for k in range(10_000)])
    assert found.n_opinions / found.n_items == pytest.approx(2.3, abs=0.02)


@pytest.mark.parametrize(
    "fields",
    [
        {"rates": {"typo": 1.0}},
        {"budgets": {"flagged": 5}},
        {"budgets": {"alert": 0}},
        {"rates": {"alert": 0.1}, "budgets": {"alert": 5}},
        {"gold_share": 0.4, "repeat_share": 0.2},
        {"second_opinion_share": 1.5},
        {"min_agreement": 2},
        {"min_checks": 0},
        {"epsilon": "often"},
        {"rates": {"alert": None}},
        {"rates": [1]},
        {"budgets": "many"},
        {"n_wanted": None},
    ],
)
def test_policies_that_make_no_sense_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        ReviewPolicy.from_fields(fields)


def test_a_policy_survives_its_stored_fields() -> None:
    policy = ReviewPolicy.from_fields({"budgets": {"alert": 5}, "resolution_channels": ["c"], "gold_share": 0.1})
    assert ReviewPolicy.from_fields(policy.as_fields()).id == policy.id

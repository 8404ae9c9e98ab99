"""Bounds over layers of equal inclusion probability: known values, brute force, and what continuous looking does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betaln, gammaln

from review.rules import evidence as rules
from review.rules.anytime import Layer, _log_gamma, confidence_sequence, stratified_bounds, stratified_sequence
from review.rules.evidence import Counts, Drawn, Items
from review.rules.risk_control import accept_above

RUNS, LABELS = 1000, 250


def test_log_gamma_is_that_of_scipy() -> None:
    x = np.array([1.0, 1.5, 2.0, 10.25, 1e3, 1e5])
    assert _log_gamma(x) == pytest.approx(gammaln(x), abs=1e-9, rel=1e-12)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(45, 50, 0.71234, 0.98434), (950, 1000, 0.91983, 0.97176), (0, 300, 0, 0.02859)]
)
def test_one_layer_is_the_plain_confidence_sequence(hits: int, n: int, low: float, high: float) -> None:
    found = stratified_sequence([Layer(1.0, hits, n)])
    assert found == pytest.approx((low, high), abs=1e-5)
    assert found == pytest.approx(confidence_sequence(hits, n), abs=1e-8)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize(("hits", "n"), [((60, 195), (100, 200)), ((0, 30), (5, 30)), ((7, 0), (7, 0))])
def test_two_layers_against_brute_force(hits: tuple[int, int], n: tuple[int, int], alpha: float) -> None:
    share = (0.1, 0.9)
    p = np.linspace(1e-9, 1 - 1e-9, 2001)
    refusal = [betaln(k + 1, m - k + 1) - k * np.log(p) - (m - k) * np.log1p(-p) for k, m in zip(hits, n, strict=True)]
    kept = refusal[0][:, None] + refusal[1][None, :] < np.log(1 / alpha)
    sums = (share[0] * p[:, None] + share[1] * p[None, :])[kept]
    found = stratified_sequence([Layer(*one) for one in zip(share, hits, n, strict=True)], alpha)
    assert found == pytest.approx((sums.min(), sums.max()), abs=1.5e-3)


def test_many_looks_at_once_are_the_single_ones() -> None:
    hits, n = np.array([[3, 50], [10, 70]]), np.array([[4, 60], [12, 80]])
    lower, upper = stratified_bounds(np.array([0.3, 0.7]), hits, n)
    for place in range(2):
        layers = [Layer(0.3, hits[0, place], n[0, place]), Layer(0.7, hits[1, place], n[1, place])]
        assert stratified_sequence(layers) == pytest.approx((lower[place], upper[place]))


@pytest.mark.parametrize("rest", [0.02, 0.1])
def test_false_promotions_and_false_step_backs_under_a_look_after_every_label(rest: float) -> None:
    """1,000 runs whose truth is exactly the limit; doubtful items (a tenth) are all drawn, the rest seldom."""
    rng = np.random.default_rng(20_260_101)
    truth = 0.1 * 0.6 + 0.9 * 0.96
    is_low = rng.random((RUNS, LABELS)) < 0.1 / (0.1 + 0.9 * rest)
    y = rng.random((RUNS, LABELS)) < np.where(is_low, 0.6, 0.96)
    n = np.stack([is_low.cumsum(axis=1), (~is_low).cumsum(axis=1)])
    hits = np.stack([(y & is_low).cumsum(axis=1), (y & ~is_low).cumsum(axis=1)])
    lower, upper = stratified_bounds(np.array([0.1, 0.9]), hits, n, 0.05)
    assert (lower > truth).any(axis=1).mean() <= 0.05
    assert (upper < truth).any(axis=1).mean() <= 0.05
    # A plain normal interval of the weighed share, looked at as often, is wrong far more often: what this is for.
    w = np.where(is_low, 1.0, 1 / rest)
    total = w.cumsum(axis=1)
    share = (w * y).cumsum(axis=1) / total
    spread = np.sqrt(np.maximum(((w**2) * y).cumsum(axis=1) * (1 - 2 * share) + share**2 * (w**2).cumsum(axis=1), 0))
    assert (share - 1.96 * spread / total > truth)[:, 50:].any(axis=1).mean() > 0.2


def counted(rates: list[tuple[float, int, int, int]], n_items: int) -> Counts:
    """Drawn items without sides or scores: (pi, n_drawn, n_labels, n_right)."""
    drawn = tuple(Drawn(pi, False, -1, n_drawn, n, right) for pi, n_drawn, n, right in rates)
    return Counts((Items(False, -1, n_items),), drawn)


def test_shares_are_counted_where_items_were_sure_and_follow_from_draws_elsewhere() -> None:
    counts = counted([(1.0, 100, 100, 60), (0.5, 100, 50, 50), (0.1, 50, 20, 19)], 1000)
    assert counts.shares() == pytest.approx({0.1: 0.9 * 500 / 700, 0.5: 0.9 * 200 / 700, 1.0: 0.1})
    expected = 0.1 * 0.6 + 0.9 * (2 / 7 * 1.0 + 5 / 7 * 0.95)
    assert rules.accuracy(counts, 0.05).value == pytest.approx(expected)


def test_a_layer_that_nobody_labelled_counts_as_anything() -> None:
    counts = counted([(1.0, 100, 100, 100), (0.1, 90, 0, 0)], 1000)
    found = rules.accuracy(counts, 0.05)
    assert found.reason == "unlabelled_layer"
    assert found.value is None
    assert found.lower < 0.1
    assert found.upper == pytest.approx(1.0)
    assert rules.accuracy(counted([], 1000), 0.05).lower == 0.0
    assert rules.accuracy(Counts(), 0.05).reason == "no_items"


def test_labels_of_doubtful_items_do_not_stand_for_the_rest() -> None:
    """People answered all doubtful items and half of the others: the answer is not pulled towards the doubtful."""
    counts = counted([(1.0, 100, 100, 50), (0.1, 90, 45, 45)], 1000)
    assert rules.accuracy(counts, 0.05).value == pytest.approx(0.1 * 0.5 + 0.9)


def sided(fn: int, tn: int, tp: int, fp: int, pi: float = 1.0) -> Counts:
    n_passed, n_flagged = fn + tn, tp + fp
    items = (Items(False, -1, round(n_passed / pi)), Items(True, -1, round(n_flagged / pi)))
    drawn = (
        Drawn(pi, False, -1, n_passed, n_passed, tn, fn),
        Drawn(pi, True, -1, n_flagged, n_flagged, tp, tp),
    )
    return Counts(items, drawn)


def test_the_two_escapes_are_what_they_are_called() -> None:
    counts = sided(fn=4, tn=396, tp=96, fp=54, pi=0.5)
    assert rules.escape(counts, "passed", 0.05).value == pytest.approx(4 / 400)
    defects = rules.escape(counts, "defects", 0.05)
    assert defects.value == pytest.approx(4 / 100)
    assert defects.lower < 0.04 < defects.upper < 0.2


def test_escape_among_defects_survives_a_look_after_every_tenth_label() -> None:
    rng = np.random.default_rng(7)
    wrong = 0
    for _ in range(80):
        kinds = rng.choice(4, 200, p=[0.02, 0.68, 0.18, 0.12])  # fn, tn, tp, fp: one defect in ten escapes
        looks = (np.bincount(kinds[:n], minlength=4).tolist() for n in range(20, 201, 20))
        found = [rules.escape(sided(*look), "defects", 0.05) for look in looks]
        wrong += any(not one.lower <= 0.1 <= one.upper for one in found)
    assert wrong / 80 <= 0.05


def test_non_inferiority_needs_two_people_and_is_the_difference_of_agreements() -> None:
    assert rules.non_inferiority(sided(1, 9, 5, 5), 0.05).reason == "no_pairs"
    drawn = (Drawn(1.0, False, -1, 1000, 1000, 950, 0, n_pairs=1000, n_won=30, n_lost=10),)
    found = rules.non_inferiority(Counts((Items(False, -1, 1000),), drawn), 0.05)
    assert found.value == pytest.approx(0.02)
    better, worse = confidence_sequence(30, 1000, 0.025), confidence_sequence(10, 1000, 0.025)
    assert (found.lower, found.upper) == pytest.approx((better.lower - worse.upper, better.upper - worse.lower))


def test_labels_still_needed_are_the_first_number_that_would_do() -> None:
    n = next(n for n in range(100, 5000) if confidence_sequence(0.97 * n, n).lower >= 0.95)  # type: ignore[arg-type]
    assert rules.labels_to([Layer(1.0, 97, 100)], 0.95, 0.05).n_more == pytest.approx(n - 100, abs=5)
    least = next(n for n in range(1, 500) if confidence_sequence(n, n).lower >= 0.95)
    found = rules.labels_to([Layer(1.0, 0, 0)], 0.95, 0.05)
    assert (found.n_more, found.is_least) == (least, True)
    below = next(n for n in range(100, 9000) if confidence_sequence(0.01 * n, n).upper <= 0.02)  # type: ignore[arg-type]
    assert rules.labels_to([Layer(1.0, 1, 100)], 0.02, 0.05, below=True).n_more == pytest.approx(below - 100, abs=9)


def test_no_number_is_promised_where_labels_do_not_help() -> None:
    assert rules.labels_to([Layer(1.0, 94, 100)], 0.95, 0.05).n_more is None
    assert rules.labels_to([Layer(1.0, 9501, 10_000)], 0.95, 0.05).n_more is None


def scored(rng: np.random.Generator, n: int) -> tuple[Counts, dict[int, float]]:
    """Answers whose error rate falls with the score; all below .6 drawn, a fifth of the rest."""
    bins = rng.integers(25, 50, n)
    chance = {b: 0.4 * (50 - b) / 25 for b in range(25, 50)}
    items, drawn = [], []
    for b in range(25, 50):
        amount = int((bins == b).sum())
        pi = 1.0 if b < 30 else 0.2
        k = rng.binomial(amount, pi)
        items.append(Items(False, b, amount))
        drawn.append(Drawn(pi, False, b, k, k, k - rng.binomial(k, chance[b])))
    return Counts(tuple(items), tuple(drawn)), chance


def test_accepted_answers_stay_under_the_limit_as_often_as_promised() -> None:
    rng = np.random.default_rng(11)
    n_over = n_found = 0
    for _ in range(60):
        counts, chance = scored(rng, 20_000)
        found = accept_above(counts, 0.1, 0.05)
        if found.threshold is None:
            continue
        n_found += 1
        accepted = [one for one in counts.items if one.bin / 50 >= found.threshold]
        error = sum(one.n * chance[one.bin] for one in accepted) / sum(one.n for one in accepted)
        n_over += error > 0.1
        assert found.share == pytest.approx(sum(one.n for one in accepted) / counts.n_items)
    assert n_found >= 55
    assert n_over / n_found <= 0.05


def test_no_threshold_has_a_reason() -> None:
    assert accept_above(counted([(1.0, 10, 10, 10)], 100), 0.05, 0.05).reason == "no_scores"
    few = Counts((Items(False, 40, 100),), (Drawn(1.0, False, 40, 5, 5, 5),))
    assert accept_above(few, 0.05, 0.05).reason == "few_labels"
    bad = Counts((Items(False, 40, 1000),), (Drawn(0.5, False, 40, 500, 500, 300),))
    assert accept_above(bad, 0.05, 0.05).reason == "too_many_errors"

"""Estimates from few reviews: known values, and coverage in simulation at a truth of .926 with 200 labels."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from scipy.stats import t as student_t

from review.rules import estimation as rules
from review.rules.anytime import confidence_sequence, paired_e_value
from review.rules.estimation import Estimate, Guesses, Stratum
from review.rules.false_discovery import benjamini_hochberg
from review.rules.intervals import student_quantile

N_ITEMS, N_LABELS, RUNS = 10_000, 200, 1200


def draw(rng: np.random.Generator) -> dict[str, Estimate]:
    """One line of boards with calibrated guesses, reviewed in every way; `truth` is what full review would say."""
    f = rng.beta(1.389, 0.111, N_ITEMS)
    y = (rng.random(N_ITEMS) < f).astype(float)
    all_guesses = Guesses.of(f)
    even = rng.choice(N_ITEMS, N_LABELS, replace=False)
    pi = rules.inclusion_probabilities(f, N_LABELS, 0.25)
    xi = rng.random(N_ITEMS) < pi
    answered = xi & (rng.random(N_ITEMS) < 0.7)
    which = np.digitize(f, np.quantile(f, [0.05, 0.1, 0.2, 0.35, 0.55]))
    members = [np.flatnonzero(which == h) for h in range(6)]
    # Guessed deviations with a floor, as a policy would use: a stratum that seems sure gets more than two labels.
    spread = [max(0.08, float(np.sqrt(f[m].mean() * (1 - f[m].mean())))) for m in members]
    sizes = rules.neyman_allocation([len(m) for m in members], spread, N_LABELS)
    strata = [Stratum(len(m), y[rng.choice(m, n, replace=False)]) for m, n in zip(members, sizes, strict=True)]
    found = {
        "wilson": rules.wilson_of_random(y[even]),
        "ppi": rules.ppi_plus_plus(y[even], f[even], all_guesses),
        "stratified": rules.stratified(strata),
        "active": rules.active_inference(y[xi], pi[xi], f[xi], all_guesses),
        "active_hajek": rules.active_hajek(y[xi], pi[xi], f[xi], all_guesses),
        "hajek": rules.hajek(y[xi], pi[xi], N_ITEMS),
        "waiting": rules.active_hajek(y[answered], pi[answered], f[answered], all_guesses),
    }
    truth = float(y.mean())
    return found | {"truth": Estimate("wilson", truth)}


@pytest.fixture(scope="module")
def simulated() -> dict[str, tuple[float, float, float]]:
    """Per method: coverage, half width in points, bias in points."""
    rng = np.random.default_rng(20_260_101)
    kept: dict[str, list[tuple[bool, float, float]]] = defaultdict(list)
    for _ in range(RUNS):
        found = draw(rng)
        truth = found.pop("truth").value
        for name, one in found.items():
            assert None not in (one.value, one.lower, one.upper, truth)
            half = (one.upper - one.lower) / 2  # type: ignore[operator]
            kept[name].append((one.lower <= truth <= one.upper, half, one.value - truth))  # type: ignore[operator]
    means = {name: np.array(rows, dtype=float).mean(axis=0) for name, rows in kept.items()}
    return {name: (float(m[0]), float(m[1]) * 100, float(m[2]) * 100) for name, m in means.items()}


def test_intervals_cover_what_they_say(simulated: dict[str, tuple[float, float, float]]) -> None:
    # 1,200 runs at 95 %: two standard errors are 1.3 points. PPI++ lies nearest to the limit and has its own test.
    for name in ("wilson", "stratified", "active", "active_hajek", "hajek", "waiting"):
        assert simulated[name][0] >= 0.94, (name, simulated[name])


def test_ppi_covers_what_it_says_at_200_labels() -> None:
    """4,000 runs over 20 populations: two standard errors are 0.7 points; the normal interval covered 93.4 %."""
    rng = np.random.default_rng(99)
    n_covered = 0
    for _ in range(20):
        f = rng.beta(1.389, 0.111, N_ITEMS)
        guesses = Guesses.of(f)
        for _ in range(200):
            y = rng.random(N_ITEMS) < f
            even = rng.choice(N_ITEMS, N_LABELS, replace=False, shuffle=False)
            found = rules.ppi_plus_plus(y[even], f[even], guesses)
            assert found.lower is not None
            assert found.upper is not None
            n_covered += found.lower <= y.mean() <= found.upper
    assert n_covered / 4000 >= 0.94


def test_four_times_fewer_labels_are_needed(simulated: dict[str, tuple[float, float, float]]) -> None:
    half = {name: row[1] for name, row in simulated.items()}
    assert half["wilson"] == pytest.approx(3.7, abs=0.15)
    assert half["ppi"] == pytest.approx(2.8, abs=0.15)
    assert half["stratified"] == pytest.approx(2.1, abs=0.25)
    assert half["active"] == pytest.approx(1.8, abs=0.15)
    assert (half["wilson"] / half["active"]) ** 2 > 3.5


def test_no_method_is_biased_and_unanswered_items_do_no_harm(simulated: dict[str, tuple[float, float, float]]) -> None:
    for name in ("ppi", "stratified", "active", "active_hajek"):
        assert abs(simulated[name][2]) < 0.3, (name, simulated[name])
    assert abs(simulated["waiting"][2]) < 0.4


def test_a_naive_mean_over_doubtful_items_is_wrong_and_hajek_is_not() -> None:
    rng = np.random.default_rng(3)
    f = rng.beta(1.389, 0.111, 50_000)
    y = (rng.random(f.size) < f).astype(float)
    pi = rules.inclusion_probabilities(f, 2000, 0.2)
    xi = rng.random(f.size) < pi
    assert y[xi].mean() < 0.8
    assert rules.hajek(y[xi], pi[xi], f.size).value == pytest.approx(y.mean(), abs=0.03)
    assert rules.horvitz_thompson(y[xi], pi[xi], f.size).value == pytest.approx(y.mean(), abs=0.08)


def test_a_useless_guess_costs_ppi_nothing_and_few_labels_are_warned_of() -> None:
    rng = np.random.default_rng(5)
    y, noise = (rng.random(199) < 0.9).astype(float), rng.random(5000)
    found = rules.ppi_plus_plus(y, noise[:199], Guesses.of(noise))
    plain = float(np.sqrt(y.var(ddof=1) / 199))
    assert found.standard_error == pytest.approx(plain, rel=0.03)
    assert found.warnings == (rules.FEW_LABELS_WARNING,)
    constant = rules.ppi_plus_plus([1, 0, 1], [0.9, 0.9, 0.9], Guesses(100, 90.0, 81.0))
    assert constant.value == pytest.approx(2 / 3)


def test_a_guess_that_lost_its_meaning_does_no_harm_to_active_inference() -> None:
    rng = np.random.default_rng(6)
    y, pi = (rng.random(300) < 0.95).astype(float), np.full(300, 0.1)
    worthless = rng.random(300)
    plain = rules.hajek(y, pi, 3000)
    tuned = rules.active_hajek(y, pi, worthless, Guesses(3000, 2900.0, 2850.0))  # of all items it says .97, of these .5
    assert tuned.value == pytest.approx(plain.value, abs=0.03)
    assert tuned.standard_error == pytest.approx(plain.standard_error, rel=0.1)


def test_a_sample_without_any_mistake_does_not_claim_to_know() -> None:
    ones, pi = np.ones(60), np.full(60, 0.02)
    for found in (
        rules.hajek(ones, pi, 3000),
        rules.ppi_plus_plus(ones, np.full(60, 0.9), Guesses(3000, 2700.0, 2430.0)),
        rules.stratified([Stratum(1500, ones[:30]), Stratum(1500, ones[30:])]),
    ):
        assert found.lower is not None
        assert 0.9 < found.lower < 0.97, found
        assert found.upper == 1.0


@pytest.mark.parametrize("degrees", [6, 10, 30, 199, 5000])
@pytest.mark.parametrize("p", [0.9, 0.95, 0.975])
def test_students_quantile_is_that_of_scipy(p: float, degrees: int) -> None:
    assert student_quantile(p, degrees) == pytest.approx(student_t.ppf(p, degrees), abs=2e-3)


def test_ppi_by_hand() -> None:
    y, f = [1.0, 0.0, 1.0, 1.0], [0.8, 0.3, 0.9, 0.6]
    everything = np.array([0.8, 0.3, 0.9, 0.6, 0.7, 0.5, 0.9, 0.9])
    strength = np.cov(y, f)[0, 1] / ((1 + 4 / 8) * everything.var())
    strength = min(1.0, strength)
    expected = 0.75 - strength * (0.65 - everything.mean())
    assert rules.ppi_plus_plus(y, f, Guesses.of(everything)).value == pytest.approx(expected)


def test_full_review_gives_the_mean_itself() -> None:
    y, f = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.9, 0.2, 0.6, 0.8])
    ones = np.ones(4)
    for found in (
        rules.active_inference(y, ones, f, Guesses.of(f)),
        rules.active_hajek(y, ones, f, Guesses.of(f)),
        rules.hajek(y, ones, 4),
        rules.horvitz_thompson(y, ones, 4),
        rules.stratified([Stratum(2, y[:2]), Stratum(2, y[2:])]),
    ):
        assert found.value == pytest.approx(0.75), found.method


def test_nothing_to_estimate_from_has_a_reason_and_pi_zero_is_refused() -> None:
    assert rules.hajek([], [], 10).reason == "no_labels"
    assert rules.hajek([1], [0.5], 10).reason == "one_label"
    assert rules.ppi_plus_plus([], [], Guesses(0, 0, 0)).reason == "no_labels"
    assert rules.active_inference([], [], [], Guesses(0, 0, 0)).reason == "no_items"
    assert rules.stratified([Stratum(5, [1.0]), Stratum(5)]).reason == "empty_stratum"
    assert rules.wilson_of_random([]).reason == "no_labels"
    with pytest.raises(ValueError, match="no evidence"):
        rules.hajek([1, 0], [0.5, 0.0], 10)
    with pytest.raises(ValueError, match="epsilon"):
        rules.inclusion_probabilities([0.5], 1, epsilon=0)


def test_neyman_spends_labels_where_answers_differ() -> None:
    sizes = rules.neyman_allocation([1000, 1000, 3], [0.0, 0.4, 0.4], 60)
    assert sum(sizes) == 60
    assert sizes[1] > 50
    assert sizes[0] == 2
    assert sizes[2] <= 3


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"), [(45, 50, 0.71234, 0.98434), (950, 1000, 0.91983, 0.97176), (0, 300, 0, 0.02859)]
)
def test_confidence_sequence_has_the_known_bounds(hits: int, n: int, low: float, high: float) -> None:
    found = confidence_sequence(hits, n)
    assert found.lower == pytest.approx(low, abs=1e-5)
    assert found.upper == pytest.approx(high, abs=1e-5)


def test_confidence_sequence_survives_a_look_after_every_item() -> None:
    rng = np.random.default_rng(1)
    hits = (rng.random((200, 300)) < 0.926).cumsum(axis=1)
    wrong = 0
    for run in hits:
        looks = (confidence_sequence(int(run[n - 1]), n) for n in range(10, 301, 10))
        wrong += any(not look.lower <= 0.926 <= look.upper for look in looks)
    assert wrong / 200 <= 0.05


def test_paired_e_value_and_its_false_promotions() -> None:
    assert paired_e_value(18, 6) == pytest.approx(4.986, abs=1e-3)
    assert paired_e_value(0, 0) == pytest.approx(1.0)
    rng = np.random.default_rng(2)
    wins = (rng.random((1000, 200)) < 0.5).cumsum(axis=1)
    looks = range(5, 201, 5)
    promoted = sum(any(paired_e_value(int(run[n - 1]), n - int(run[n - 1])) >= 20 for n in looks) for run in wins)
    assert promoted / 1000 <= 0.05


def test_benjamini_hochberg_has_the_known_values() -> None:
    p = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]
    expected = [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.1057, 0.216, 0.216, 0.216]
    assert benjamini_hochberg(p) == pytest.approx(expected, abs=1e-4)
    assert benjamini_hochberg([]) == []
    assert benjamini_hochberg([0.9, 0.01]) == pytest.approx([0.9, 0.02])

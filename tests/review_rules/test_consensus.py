"""Majority with explicit ties, Dawid-Skene against the model it assumes and against a general optimiser, mix-ups."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy import optimize, special

from review.rules import agreement
from review.rules.consensus import (
    Ballots,
    ConfusedPair,
    ballots,
    confused_pairs,
    count_votes,
    dawid_skene,
    leading_labels,
)

PREVALENCE = np.array([0.6, 0.3, 0.1])
#: A careful judge, one who lets label 1 pass as 0, one who calls 0 a 2, two ordinary ones.
JUDGES = np.array(
    [
        [[0.97, 0.02, 0.01], [0.03, 0.95, 0.02], [0.02, 0.03, 0.95]],
        [[0.95, 0.04, 0.01], [0.55, 0.40, 0.05], [0.10, 0.05, 0.85]],
        [[0.60, 0.05, 0.35], [0.05, 0.90, 0.05], [0.02, 0.03, 0.95]],
        [[0.80, 0.12, 0.08], [0.15, 0.75, 0.10], [0.10, 0.15, 0.75]],
        [[0.80, 0.12, 0.08], [0.15, 0.75, 0.10], [0.10, 0.15, 0.75]],
    ]
)


def simulate(n: int, seed: int, share: float = 1.0) -> tuple[np.ndarray, Ballots]:
    """True labels, and what the judges said about a share of the subjects."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, n, p=PREVALENCE)
    rows = [
        (subject, judge, rng.choice(3, p=JUDGES[judge, truth[subject]]))
        for subject in range(n)
        for judge in range(len(JUDGES))
        if rng.random() < share
    ]
    subject, judge, label = np.array(rows).T
    return truth, ballots(subject, judge, label, n, len(JUDGES), 3)


def test_confusions_prevalence_and_labels_of_simulated_judges_are_recovered() -> None:
    truth, given = simulate(3000, seed=4)
    fitted = dawid_skene(given)
    assert fitted.is_converged
    assert np.abs(fitted.confusion - JUDGES).max() < 0.07
    assert np.abs(fitted.prevalence - PREVALENCE).max() < 0.03
    oracle = np.log(PREVALENCE) + np.zeros((3000, 3))
    for subject, judge, label in zip(given.subject, given.judge, given.label, strict=True):
        oracle[subject] += np.log(JUDGES[judge, :, label])
    best = (oracle.argmax(axis=1) == truth).mean()  # nobody can do better, knowing every judge
    majority = np.mean(
        [leaders[0] == true for leaders, true in zip(leading_labels(count_votes(given)), truth, strict=True)]
    )
    reached = (fitted.likeliest() == truth).mean()
    assert reached > majority
    assert reached == pytest.approx(best, abs=0.01)


def test_probabilities_are_calibrated_under_the_model() -> None:
    truth, given = simulate(4000, seed=9, share=0.5)
    probability = dawid_skene(given).probability
    top = probability.max(axis=1)
    is_right = probability.argmax(axis=1) == truth
    assert np.allclose(probability.sum(axis=1), 1)
    for low, high in ((0.5, 0.8), (0.8, 0.95), (0.95, 1.01)):
        chosen = (top >= low) & (top < high)
        assert chosen.sum() > 100
        assert is_right[chosen].mean() == pytest.approx(top[chosen].mean(), abs=0.05)


def test_em_ends_where_a_general_optimiser_finds_nothing_better() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 40)
    said = np.array([np.where(rng.random(40) < right, truth, 1 - truth) for right in (0.9, 0.8, 0.7)])
    subject, judge = np.tile(np.arange(40), 3), np.repeat(np.arange(3), 40)
    given = ballots(subject, judge, said.ravel(), 40, 3, 2)
    fitted = dawid_skene(given, tolerance=1e-12, max_iterations=5000)

    def loss(free: Any) -> float:
        """Minus the log posterior, written out from the model."""
        prevalence = special.softmax(np.append(free[:1], 0))
        confusion = special.softmax(np.stack([free[1:].reshape(3, 2), np.zeros((3, 2))], axis=2), axis=2)
        total = 1.0 * np.log(prevalence).sum() + 0.1 * np.log(confusion).sum()
        total += 0.9 * np.log(confusion[:, [0, 1], [0, 1]]).sum()
        for i in range(40):
            total += np.log(
                sum(prevalence[k] * np.prod([confusion[j, k, said[j, i]] for j in range(3)]) for k in (0, 1))
            )
        return -float(total)

    ends = fitted.confusion, fitted.prevalence
    start = np.append(np.log(ends[1][0] / ends[1][1]), np.log(ends[0][:, :, 0] / ends[0][:, :, 1]).ravel())
    found = optimize.minimize(loss, start, method="L-BFGS-B", options={"ftol": 1e-15})
    assert loss(start) - found.fun < 1e-6
    assert np.abs(found.x - start).max() < 0.02


def test_running_out_of_rounds_is_told() -> None:
    _, given = simulate(300, seed=2, share=0.6)
    assert not dawid_skene(given, max_iterations=2).is_converged


def test_subjects_without_answers_are_as_likely_as_the_others() -> None:
    fitted = dawid_skene(ballots([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0], 3, 2, 2))
    assert np.allclose(fitted.probability[2], fitted.prevalence)
    assert fitted.prevalence[0] == pytest.approx((2 + 1) / (2 + 2), abs=0.01)  # nobody ever said label 1


def test_no_answers_are_no_error() -> None:
    nothing = ballots([], [], [], 0, 0, 2)
    assert dawid_skene(nothing).probability.shape == (0, 2)
    assert leading_labels(count_votes(nothing)) == []
    assert confused_pairs(count_votes(nothing)) == []


@pytest.mark.parametrize("codes", [([0], [0], [2]), ([0], [-1], [0]), ([0, 1], [0], [0])])
def test_codes_out_of_range_are_refused(codes: Any) -> None:
    with pytest.raises(ValueError, match=r"code|answer"):
        ballots(*codes, 2, 1, 2)


def test_ties_hold_all_leaders() -> None:
    rng = np.random.default_rng(6)
    votes = rng.integers(0, 4, (200, 5))
    for row, leaders in zip(votes, leading_labels(votes), strict=True):
        assert list(leaders) == [k for k in range(5) if row[k] == max(row) and max(row) > 0]


def test_mixed_up_labels_are_counted_by_subject() -> None:
    rng = np.random.default_rng(7)
    votes = rng.multinomial(3, [0.7, 0.15, 0.1, 0.05], 400)
    votes[:50] = [1, 0, 0, 0]  # one answer says nothing about mixing up
    both: Counter[tuple[int, int]] = Counter()
    either: Counter[tuple[int, int]] = Counter()
    for row in votes[50:]:
        for a in range(4):
            for b in range(a + 1, 4):
                both[a, b] += bool(row[a] and row[b])
                either[a, b] += bool(row[a] or row[b])
    found = confused_pairs(votes)
    assert {(one.a, one.b): (one.n_both, one.n_either) for one in found} == {
        pair: (both[pair], either[pair]) for pair in both if both[pair]
    }
    assert [one.n_both for one in found] == sorted((one.n_both for one in found), reverse=True)
    assert confused_pairs([[2, 0], [0, 3]]) == []
    assert ConfusedPair(0, 1, 1, 4).share == 0.25


def test_alpha_of_votes_is_krippendorffs_nominal_alpha() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        answers = rng.integers(0, 4, (6, 30)).astype(float)
        answers[rng.random((6, 30)) < 0.5] = np.nan
        votes = np.stack([(answers == k).sum(axis=0) for k in range(4)], axis=1)
        expected = agreement.krippendorff_alpha(answers)
        assert agreement.alpha_of_votes(votes).value == pytest.approx(expected.value)
    classic = np.array([[3, 0], [0, 3]])
    assert agreement.alpha_of_votes(classic).value == 1.0
    assert agreement.alpha_of_votes([[2, 0], [3, 0]]).reason == agreement.ONE_CLASS
    assert agreement.alpha_of_votes([[1, 0]]).reason == "no subject with two answers"
    assert agreement.alpha_of_votes_interval([[2, 0], [3, 0]], rng) is None


def test_the_interval_of_alpha_covers_and_repeats_under_a_seed() -> None:
    """Judges who say the truth with .85 and guess otherwise: alpha of infinitely many subjects is .85 squared."""
    rng = np.random.default_rng(12)
    n_covered = 0
    for _ in range(200):
        truth = rng.integers(0, 2, 150)
        said = [np.where(rng.random(150) < 0.85, truth, rng.integers(0, 2, 150)) for _ in range(3)]
        votes = np.stack([sum((one == k).astype(int) for one in said) for k in (0, 1)], axis=1)
        interval = agreement.alpha_of_votes_interval(votes, rng, n_resamples=300)
        assert interval is not None
        n_covered += interval.lower <= 0.85**2 <= interval.upper
    assert 0.90 <= n_covered / 200 <= 0.99
    first, second = (agreement.alpha_of_votes_interval(votes, np.random.default_rng(1)) for _ in range(2))
    assert first == second

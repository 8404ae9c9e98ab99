"""The two-sample tests: known values, false alarms at their level, power where a mean distance sees nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from backend.embeddings.two_sample import classifier_test, mmd2, mmd_test

Make = Callable[[np.random.Generator, int], np.ndarray]
A, B = list(range(1, 11)), [2, 3, 3, 5, 6, 7, 9, 10, 12, 15]


def alarms(make_a: Make, make_b: Make, runs: int, n: int = 100, seed: int = 0) -> tuple[float, float]:
    """Share of runs in which each test says at 5 % that the sets differ."""
    rng = np.random.default_rng(seed)
    told = shape = 0
    for _ in range(runs):
        a, b = make_a(rng, n), make_b(rng, n)
        told += classifier_test(a, b, rng, n_permutations=59).p <= 0.05
        shape += mmd_test(a, b, rng, n_permutations=59).p <= 0.05
    return told / runs, shape / runs


def normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=(n, 12))


def shifted(rng: np.random.Generator, n: int) -> np.ndarray:
    return normal(rng, n) + np.array([1.0] + [0.0] * 11)


def wider(rng: np.random.Generator, n: int) -> np.ndarray:
    """The same mean: the distance between means is zero in expectation."""
    return 1.5 * normal(rng, n)


def test_mmd_has_the_known_values() -> None:
    assert mmd2(A, B, 2.0) == pytest.approx(-0.095957, abs=1e-6)
    assert mmd2(A, B, 2.0, is_biased=True) == pytest.approx(0.042321, abs=1e-6)
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(30, 4)), rng.normal(size=(20, 4)) + 1
    found = mmd_test(a, b, rng, n_permutations=19)
    assert found.mmd2 == pytest.approx(mmd2(a, b, found.bandwidth))
    assert found.p == 1 / 20


def test_false_alarms_stay_at_their_level() -> None:
    told, shape = alarms(normal, normal, 80, n=60)
    assert told <= 0.11  # 5 % of 80 runs: two standard errors are 5 points
    assert shape <= 0.11


def test_a_shift_and_a_change_of_spread_are_seen() -> None:
    assert min(alarms(normal, shifted, 12)) >= 0.9
    assert min(alarms(normal, wider, 12)) >= 0.9


def test_auc_is_that_of_the_shift_and_scores_point_to_the_change() -> None:
    rng = np.random.default_rng(2)
    a, b = normal(rng, 500), shifted(rng, 500)
    found = classifier_test(a, b, rng, n_permutations=19)
    assert found.auc == pytest.approx(0.7602, abs=0.05)
    assert found.p == 1 / 20
    top = np.argsort(-found.scores_b)[:20]
    assert b[top, 0].mean() > b[:, 0].mean() + 0.8


def test_equal_and_constant_vectors_are_no_drift() -> None:
    rng = np.random.default_rng(3)
    same = np.ones((60, 5))
    assert classifier_test(same, same, rng, n_permutations=99).p > 0.05
    assert mmd_test(same, same, rng, n_permutations=99).p == 1.0
    few = rng.normal(size=(6, 5))
    repeated = np.vstack([few] * 10)
    assert classifier_test(repeated, repeated, rng, n_permutations=99).p > 0.05


def test_a_seed_repeats_the_answer_and_nonsense_is_refused() -> None:
    rng = np.random.default_rng(4)
    a, b = normal(rng, 40), normal(rng, 50)
    first, second = (classifier_test(a, b, np.random.default_rng(9), n_permutations=49) for _ in range(2))
    assert (first.auc, first.p) == (second.auc, second.p)
    with pytest.raises(ValueError, match="same length"):
        classifier_test(a, b[:, :3], rng)
    with pytest.raises(ValueError, match="finite"):
        mmd_test(a, np.full((5, 12), np.nan), rng)
    with pytest.raises(ValueError, match="at least two"):
        mmd_test(a, b[:1], rng)

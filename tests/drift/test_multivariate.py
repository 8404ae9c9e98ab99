"""All features at once: a difference that no single feature shows, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from backend.drift.multivariate import classify_domains, mmd2, permute_mmd, standardise


def pairs(n: int, correlation: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], n)


def test_a_changed_correlation_is_seen_by_both_though_no_margin_moved() -> None:
    reference, current = pairs(800, 0.0, 1), pairs(600, 0.9, 2)
    domains = classify_domains(reference, current, is_category=np.array([False, False]))
    assert domains.auc > 0.7
    assert domains.p_value < 1e-6
    assert permute_mmd(reference, current, np.random.default_rng(3)).p_value == pytest.approx(1 / 200)


def test_two_samples_of_one_distribution_are_not_told_apart() -> None:
    reference, current = pairs(800, 0.3, 4), pairs(600, 0.3, 5)
    domains = classify_domains(reference, current, is_category=np.array([False, False]))
    assert 0.44 < domains.auc < 0.56
    assert domains.p_value > 0.001
    assert permute_mmd(reference, current, np.random.default_rng(6)).p_value > 0.01


def test_columns_of_nulls_constants_and_the_largest_numbers_do_no_harm() -> None:
    """Also one whose only value is in the fold that is left out, and rows of nothing but nulls."""
    rng = np.random.default_rng(10)
    odd = np.column_stack(
        [np.full(400, np.nan), np.full(400, 1e300), rng.choice([-1e300, 1e300], 400), np.full(400, np.nan)]
    )
    odd[7, 3] = 1.0
    reference, current = np.column_stack([odd, rng.normal(size=400)]), np.column_stack([odd, rng.normal(2, 1, 400)])
    is_category = np.array([False, False, False, True, False])
    domains = classify_domains(reference, current, is_category=is_category)
    assert domains.auc > 0.85
    assert permute_mmd(*standardise(reference, current), np.random.default_rng(1)).p_value < 0.01
    nothing = np.full((40, 2), np.nan)
    same = classify_domains(nothing, nothing, is_category=np.array([False, True]))
    assert (same.auc, same.shift_sigma) == (0.5, pytest.approx(0, abs=1e-9))
    assert permute_mmd(*standardise(nothing, nothing), np.random.default_rng(1)).p_value == 1


def test_permuted_statistic_is_the_plain_one() -> None:
    x, y = pairs(60, 0.2, 7), pairs(40, 0.2, 8)
    found = permute_mmd(x, y, np.random.default_rng(9), n_permutations=9)
    assert found.mmd2 == pytest.approx(mmd2(x, y, found.sigma), abs=1e-12)
    assert found.p_value * 10 == pytest.approx(round(found.p_value * 10))


def test_standardising_keeps_missing_and_clips_wild_values() -> None:
    reference = np.column_stack([np.random.default_rng(1).normal(5, 2, 200), np.full(200, 3.0)])
    current = np.array([[np.nan, 3.0], [1e300, 4.0]])
    x, y = standardise(reference, current)
    assert x.shape[1] == y.shape[1] == 3
    assert y[0].tolist()[:2] == [0, 1]
    assert y[1, 0] == 10
    with pytest.raises(ValueError, match="rows"):
        classify_domains(reference[:5], current, is_category=np.array([False, False]))

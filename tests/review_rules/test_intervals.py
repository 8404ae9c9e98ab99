"""Intervals of a rate against published values and simulation."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from review.rules.intervals import clean_sample_size, clopper_pearson, wilson


def test_wilson_matches_the_published_value() -> None:
    assert wilson(45, 50) == pytest.approx((0.7864, 0.9565), abs=1e-3)


@pytest.mark.parametrize(
    ("hits", "n", "bounds"), [(45, 50, (0.7819, 0.9667)), (2, 100, (0.0024, 0.0704)), (0, 300, (0, 0.01222))]
)
def test_clopper_pearson_matches_the_published_values(hits: int, n: int, bounds: tuple[float, float]) -> None:
    assert clopper_pearson(hits, n) == pytest.approx(bounds, abs=1e-3)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_nothing_counted_has_no_interval(interval) -> None:
    assert interval(0, 0) is None


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_extreme_rates_stay_inside_zero_and_one(interval) -> None:
    assert interval(0, 7).lower == 0.0
    assert interval(7, 7).upper == 1.0
    assert 0 < interval(7, 7).lower < 1


@pytest.mark.parametrize(("hits", "n"), [(3, 2), (-1, 2)])
def test_impossible_counts_are_refused(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match="no rate"):
        wilson(hits, n)


@pytest.mark.parametrize("truth", [0.01, 0.07, 0.3, 0.5])
def test_exact_interval_covers_the_truth_at_least_as_often_as_it_says(truth: float) -> None:
    covered = [low <= truth <= high for low, high in (clopper_pearson(k, 80) for k in range(81))]
    assert float(binom.pmf(range(81), 80, truth) @ covered) >= 0.95


def test_clean_sample_of_one_percent_needs_299() -> None:
    assert clean_sample_size(0.01, 0.95) == 299

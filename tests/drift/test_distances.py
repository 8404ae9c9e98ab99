"""Distances against golden vectors, SciPy, and what every distance must hold."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from backend.drift import distances, evidence, multivariate
from backend.drift.effect import distance_of, shift_of
from backend.drift.kolmogorov import ks_distance, ks_p_value

REF, CUR = [120, 230, 310, 190, 100, 50], [90, 180, 300, 230, 130, 70]
A, B = np.arange(1, 11), np.array([2, 3, 3, 5, 6, 7, 9, 10, 12, 15])
OF_COUNTS: dict[str, Callable[..., object]] = {
    "psi": distances.psi,
    "js": distances.js_distance,
    "hellinger": distances.hellinger,
    "tvd": distances.total_variation,
    "l_infinity": distances.l_infinity,
    "chi_square": lambda p, q: evidence.chi_square_two_sample(p, q)[0],
}
OF_VALUES: dict[str, Callable[..., float]] = {
    "ks": ks_distance,
    "wasserstein": distances.wasserstein,
    "auc": lambda x, y: distances.auc(x, y) - 0.5,
    "mmd2": lambda x, y: multivariate.mmd2(x, y, 2.0, is_unbiased=False),
}


def test_golden_vectors_of_counts() -> None:
    p, q = distances.shares(REF), distances.shares(CUR)
    assert distances.psi(REF, CUR, prior=0) == pytest.approx(0.043457, abs=1e-6)
    assert distances.psi(REF, CUR) == pytest.approx(0.043146, abs=1e-6)
    assert distances.kl(p, q) == pytest.approx(0.021704, abs=1e-6)
    assert distances.js_distance(REF, CUR) == pytest.approx(0.073596, abs=1e-6)
    assert distances.js_distance(REF, CUR, base=2) == pytest.approx(0.088398, abs=1e-6)
    assert distances.hellinger(REF, CUR) == pytest.approx(0.073649, abs=1e-6)
    assert distances.total_variation(REF, CUR) == pytest.approx(0.09, abs=1e-9)
    assert distances.l_infinity(REF, CUR) == pytest.approx(0.05, abs=1e-9)
    statistic, df, p_value = evidence.chi_square_two_sample(REF, CUR)
    assert (statistic, df, p_value) == (pytest.approx(21.60311, abs=1e-5), 5, pytest.approx(0.000623, abs=1e-6))
    assert distances.cramers_v(float(statistic), 2000, 6) == pytest.approx(0.103931, abs=1e-6)
    assert distances.cramers_v(float(statistic), 2000, 6, corrected=True) == pytest.approx(0.091129, abs=1e-6)


def test_golden_vectors_of_values() -> None:
    assert distances.wasserstein(A, B) == pytest.approx(1.7)
    assert ks_distance(A, B) == pytest.approx(0.2)
    assert ks_p_value(0.2, 10, 10) == pytest.approx(0.994458, abs=1e-6)
    assert distances.auc(A, B) == pytest.approx(0.61)
    assert multivariate.mmd2(A, B, 2.0) == pytest.approx(-0.095957, abs=1e-6)
    assert multivariate.mmd2(A, B, 2.0, is_unbiased=False) == pytest.approx(0.042321, abs=1e-6)


@pytest.mark.parametrize(("n", "m"), [(7, 9), (10, 10), (50, 73), (300, 300), (400, 1000), (2000, 700)])
def test_exact_kolmogorov_smirnov_is_scipys(n: int, m: int) -> None:
    rng = np.random.default_rng(n)
    for shift in (0.0, 0.2, 0.8):
        x, y = rng.normal(size=n), rng.normal(shift, 1, m).round(1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            theirs = stats.ks_2samp(x, y, method="exact")
        assert ks_distance(x, y) == pytest.approx(theirs.statistic, abs=1e-12)
        assert ks_p_value(ks_distance(x, y), n, m) == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-14)


@pytest.mark.parametrize("distance", [0.005, 0.01, 0.02, 0.04])
def test_large_samples_use_the_limit_as_scipy_does(distance: float) -> None:
    n, m = 20_000, 15_000
    theirs = stats.kstwo.sf(distance, round(n * m / (n + m)))
    assert ks_p_value(distance, n, m) == pytest.approx(theirs, rel=1e-3)


def test_random_counts_agree_with_scipy() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        ref, cur = rng.integers(5, 400, 8), rng.integers(5, 400, 8)
        p, q = ref / ref.sum(), cur / cur.sum()
        assert distances.js_distance(ref, cur) == pytest.approx(jensenshannon(p, q), abs=1e-9)
        theirs = stats.chi2_contingency([ref, cur], correction=False)
        mine = evidence.chi_square_two_sample(ref, cur, min_expected=0)
        assert (mine[0], mine[2]) == (pytest.approx(theirs.statistic), pytest.approx(theirs.pvalue, rel=1e-6))
        x, y = rng.normal(size=90).round(1), rng.normal(0.3, 1.4, 40).round(1)
        assert distances.wasserstein(x, y) == pytest.approx(stats.wasserstein_distance(x, y), abs=1e-9)
        u = stats.mannwhitneyu(y, x).statistic / (len(x) * len(y))
        assert distances.auc(x, y) == pytest.approx(u)


@pytest.mark.parametrize("name", sorted(OF_COUNTS))
@pytest.mark.parametrize("counts", [REF, [5], [0, 7, 0], [1] * 40, [100_000, 1]], ids=str)
def test_every_distance_of_counts_is_zero_on_identical_samples(name: str, counts: list[int]) -> None:
    assert float(OF_COUNTS[name](counts, counts)) == pytest.approx(0, abs=1e-9)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(OF_VALUES))
@pytest.mark.parametrize("values", [A, B, [3.0], [1e6, -999.0, 0.1, 0.1]], ids=str)
def test_every_distance_of_values_is_zero_on_identical_samples(name: str, values: list[float]) -> None:
    assert OF_VALUES[name](values, values) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", sorted(OF_COUNTS))
def test_every_distance_of_counts_is_finite_when_a_bin_is_empty_on_one_side(name: str) -> None:
    assert math.isfinite(float(OF_COUNTS[name]([10, 0, 90], [0, 60, 40])))  # type: ignore[arg-type]


TABLE = {
    0.05: (0.0025, 0.0177, 0.0177, 0.05, 0.0199, 0.5141),
    0.10: (0.0100, 0.0353, 0.0353, 0.10, 0.0399, 0.5282),
    0.20: (0.0400, 0.0705, 0.0706, 0.20, 0.0797, 0.5562),
    0.30: (0.0900, 0.1055, 0.1058, 0.30, 0.1192, 0.5840),
    0.50: (0.2500, 0.1741, 0.1754, 0.50, 0.1974, 0.6382),
    1.00: (1.0000, 0.3338, 0.3428, 1.00, 0.3829, 0.7602),
}
COLUMNS = ("psi", "js", "hellinger", "wasserstein", "ks", "auc")


@pytest.mark.parametrize("shift", sorted(TABLE))
def test_the_table_of_sigma_equivalents_both_ways(shift: float) -> None:
    for name, value in zip(COLUMNS, TABLE[shift], strict=True):
        assert distance_of(name, shift) == pytest.approx(value, abs=1e-3), name
        assert shift_of(name, distance_of(name, shift)) == pytest.approx(shift, abs=1e-3), name


def test_nothing_has_no_distance() -> None:
    assert np.isnan(distances.psi([0, 0], [3, 4]))
    assert math.isnan(distances.wasserstein([], [1.0]))
    assert math.isnan(ks_distance([1.0], []))
    assert math.isnan(float(shift_of("psi", math.nan)))

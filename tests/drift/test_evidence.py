"""Evidence: critical values, Benjamini-Hochberg, merging, the budget, and what n rows can see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backend.drift import evidence
from backend.drift.budget import DriftSettings, rules_of, settings_of
from backend.drift.effect import noncentrality, rows_needed, visible_shift
from tests.drift.conftest import DAY, HOUR, START


def test_golden_critical_values_and_adjusted_p_values() -> None:
    assert evidence.psi_critical(6, 0.05, 1000, 1000) == pytest.approx(0.022141, abs=1e-6)
    assert evidence.psi_critical(6, 0.01, 1000, 1000) == pytest.approx(0.030173, abs=1e-6)
    assert evidence.psi_p_value(evidence.psi_critical(6, 0.01, 500, 900), 6, 500, 900) == pytest.approx(0.01)
    p = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]
    expected = [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.1057, 0.216, 0.216, 0.216]
    assert evidence.benjamini_hochberg(p) == pytest.approx(expected, abs=1e-4)


def test_adjusting_leaves_out_what_was_not_tested_and_works_on_grids() -> None:
    rng = np.random.default_rng(2)
    grid = rng.random((5, 8))
    for row, adjusted in zip(grid, evidence.benjamini_hochberg(grid), strict=True):
        assert adjusted == pytest.approx(stats.false_discovery_control(row))
    with_gap = evidence.benjamini_hochberg([0.01, np.nan, 0.04])
    assert with_gap[[0, 2]] == pytest.approx(stats.false_discovery_control([0.01, 0.04]))
    assert np.isnan(with_gap[1])


def test_small_bins_are_merged_and_no_row_is_lost() -> None:
    ref, cur = np.array([500, 480, 3, 2, 1]), np.array([260, 230, 4, 0, 2])
    merged = evidence.merge_small(ref, cur)
    assert [side.sum() for side in merged] == [986, 496]
    n, m = merged[0].sum(), merged[1].sum()
    pooled = merged[0] + merged[1]
    expected = pooled[pooled > 0] * min(n, m) / (n + m)
    assert expected.min() >= evidence.MIN_EXPECTED


@pytest.mark.parametrize(
    ("shares", "n", "m"),
    [
        (np.full(10, 0.1), 60, 1_000),
        (np.full(10, 0.1), 2_000, 100_000),
        (np.array([0.99, 0.01]), 600, 100_000),
        (np.append(np.full(10, 0.0995), 0.005), 1_500, 5_000),
        (np.append(0.5 ** np.arange(1, 30), 0.5**29), 500, 100_000),
    ],
)
def test_p_values_keep_their_level_far_out(shares: np.ndarray, n: int, m: int) -> None:
    """At 1e-3, where Pearson's statistic alone fires up to five times too often on a rare bin."""
    rng = np.random.default_rng(n)
    p_value, _ = evidence.two_sample_p(rng.multinomial(m, shares, 60_000), rng.multinomial(n, shares, 60_000))
    alarms = int((p_value <= 1e-3).sum())
    assert alarms <= stats.poisson.ppf(0.9999, 60 * 1.3)


def test_what_n_rows_can_see_is_seen_as_often_as_promised() -> None:
    """The visible shift of 400 rows, drawn from real normals on decile bins, is found in about 80 % of windows."""
    rng = np.random.default_rng(8)
    n, m, alpha = 400, 100_000, 1e-4
    shift = float(visible_shift(n, m, 9, alpha))
    edges = stats.norm.ppf(np.arange(1, 10) / 10)
    codes = np.searchsorted(edges, rng.normal(shift, 1, (2_000, n)))
    current = np.stack([np.bincount(row, minlength=10) for row in codes])
    p_value, _ = evidence.two_sample_p(np.full(10, m // 10), current)
    assert 0.68 <= (p_value <= alpha).mean() <= 0.9
    needed = rows_needed(shift, m, 9, alpha)
    assert needed is not None
    assert needed == pytest.approx(n, rel=0.01)


def test_noncentrality_is_scipys_power() -> None:
    for df, alpha in ((1, 0.05), (9, 1e-4), (40, 1e-6)):
        power = stats.ncx2.sf(stats.chi2.isf(alpha, df), df, noncentrality(df, alpha))
        assert power == pytest.approx(0.8, abs=1e-6)


def test_a_reference_can_be_too_small_for_a_shift() -> None:
    assert rows_needed(0.3, 100, 9, 1e-4) is None
    assert rows_needed(0.3, 0, 9, 1e-4) is None


def test_the_budget_becomes_a_level_by_the_number_of_windows() -> None:
    assert rules_of(DriftSettings(), START, START + HOUR).alpha == pytest.approx(1 / 720)
    assert rules_of(DriftSettings(alarms_per_month=3), START, START + DAY).alpha == pytest.approx(0.05)
    assert rules_of(DriftSettings(), START, START + DAY, windows_per_month=3_000).alpha == pytest.approx(1 / 3_000)
    assert rules_of(DriftSettings(), START, START + 300 * DAY).alpha == evidence.MAX_ALPHA


def test_nonsense_in_a_models_settings_is_not_used() -> None:
    stored = {"drift": {"alarms_per_month": "many", "floor_sigma": -3, "window_s": True, "other": 1}}
    assert settings_of(stored) == DriftSettings()
    assert settings_of({"drift": {"floor_sigma": 0.2}}).floor_sigma == 0.2
    assert settings_of({"drift": 7}) == settings_of(None) == DriftSettings()

"""Calibration against SciPy, AUC against every pair, and what confidence expects against what happens."""

from __future__ import annotations

import numpy as np
import pytest

from backend.performance.calibration import expect, fit_isotonic
from backend.performance.metrics import Cell, ErrorSums, metrics_of, of_cells, of_errors
from backend.performance.scoring import NO_SCORES, ONE_CLASS, auc_of_counts
from review.rules.intervals import wilson


def grouped(scores: np.ndarray, hits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    steps, place = np.unique(scores, return_inverse=True)
    return steps, np.bincount(place, weights=hits), np.bincount(place).astype(float)


def test_isotonic_regression_agrees_with_scipy() -> None:
    from scipy.optimize import isotonic_regression

    rng = np.random.default_rng(1)
    for n in (3, 50, 2000):
        x = rng.integers(0, 100, n) / 100
        y = (rng.random(n) < x**2).astype(float)
        steps, hits, counts = grouped(x, y)
        ours = fit_isotonic(steps, hits, counts)
        theirs = isotonic_regression(hits / counts, weights=counts).x
        assert ours is not None
        asked = np.linspace(-0.1, 1.1, 57)
        assert ours.chance(asked) == pytest.approx(np.interp(asked, steps, theirs), abs=1e-9)
    assert fit_isotonic([], [], []) is None


def test_auc_with_ties_counts_pairs_and_its_interval_covers() -> None:
    rng = np.random.default_rng(2)
    n_covered = 0
    for run in range(300):
        is_positive = rng.random(400) < 0.3
        score = np.round(rng.normal(size=400) + is_positive, 1)
        steps, pos, n = grouped(score, is_positive.astype(float))
        found = auc_of_counts(pos, n - pos)
        if run == 0:
            gap = score[is_positive][:, None] - score[~is_positive][None, :]
            assert found.value == pytest.approx(float(((gap > 0) + 0.5 * (gap == 0)).mean()))
        assert found.lower is not None
        assert found.upper is not None
        n_covered += found.lower <= 0.7602 <= found.upper  # a shift of one standard deviation
    assert n_covered / 300 >= 0.91
    assert auc_of_counts([1, 0], [0, 0]).reason == ONE_CLASS
    assert auc_of_counts([], []).reason == NO_SCORES


def test_calibrated_confidence_expects_what_happens_and_misses_concept_drift() -> None:
    rng = np.random.default_rng(3)
    p = rng.beta(2, 2, 40_000)
    is_positive = rng.random(p.size) < p
    raw = np.round(p**2, 3)  # distorted: calibration has to undo it
    fitted = fit_isotonic(*grouped(raw[:20_000], is_positive[:20_000].astype(float)))
    assert fitted is not None
    test_raw, truth = raw[20_000:], is_positive[20_000:]
    says = p[20_000:] >= 0.5
    order = np.argsort(test_raw, kind="stable")
    chance, ones = fitted.chance(test_raw)[order], np.ones(truth.size)
    happened = {
        "accuracy": (says == truth).mean(),
        "escape_rate": (~says & truth).sum() / truth.sum(),
        "overkill_rate": (says & ~truth).sum() / (~truth).sum(),
        "auc": auc_of_counts(truth[order].astype(float), (~truth[order]).astype(float)).value,
    }
    for metric, value in happened.items():
        found = expect(metric, chance, ones, says[order])  # type: ignore[arg-type]
        assert found.value == pytest.approx(value, abs=0.012), metric
        assert found.lower is not None
        assert found.upper is not None
        assert found.lower < found.value < found.upper  # type: ignore[operator]
    flipped = truth ^ (rng.random(truth.size) < 0.3)  # the same scores now mean less: nothing in them tells
    expected = expect("accuracy", chance, ones, says[order]).value
    assert expected is not None
    assert expected - (says == flipped).mean() > 0.1


def test_expecting_nothing_or_one_class_has_a_reason() -> None:
    assert expect("accuracy", [], [], []).reason == "no_scores"
    assert expect("auc", [0.5], [3], None).reason == "no_positive_scores"
    assert expect("escape_rate", [0.0], [3], [True]).reason == "one_class"
    assert expect("auc", [1.0, 1.0], [1, 1], [True, True]).reason == ONE_CLASS


def test_metrics_from_counts() -> None:
    cells = [Cell("ok", "ok", 80, 80, 80), Cell("ok", "bad", 5, 5, 5), Cell("bad", "bad", 10, 10, 10)]
    cells += [Cell("bad", "ok", 5, 5, 5)]
    assert of_cells("accuracy", cells, ["bad"]).value == pytest.approx(0.9)
    assert of_cells("escape_rate", cells, ["bad"]).value == pytest.approx(5 / 15)
    assert of_cells("overkill_rate", cells, ["bad"]).value == pytest.approx(5 / 85)
    found, plain = of_cells("accuracy", cells, []), wilson(90, 100)
    assert plain is not None
    assert (found.lower, found.upper) == pytest.approx((plain.lower, plain.upper))
    weighed = of_cells("accuracy", [Cell("a", "a", 10, 100, 1000), Cell("a", "b", 10, 10, 10)], [])
    assert weighed.value == pytest.approx(100 / 110)
    assert of_cells("accuracy", [], []).reason == "no_labels"
    assert of_cells("escape_rate", [Cell("ok", "ok", 3, 3, 3)], ["bad"]).reason == "one_class"
    errors = np.array([1.0, -2.0, 0.5, 0.5])
    sums = ErrorSums(4, 4, 4, errors.sum(), (errors**2).sum(), np.abs(errors).sum())
    assert of_errors("mae", sums).value == pytest.approx(1.0)
    assert of_errors("bias", sums).value == pytest.approx(0.0)
    half = 1.959964 * errors.std(ddof=1) / 2
    assert of_errors("bias", sums).upper == pytest.approx(half, rel=1e-6)
    assert metrics_of("text", []) == ["accuracy"]

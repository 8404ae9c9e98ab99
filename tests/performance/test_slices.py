"""Worst slices: clean data gives next to none, a planted one is found and comes first, and nothing is told twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backend.performance.slices import Condition, Feature, cut_numbers, cut_texts, find_worst, hypergeometric_tail


def world(seed: int, n: int = 3000) -> tuple[np.random.Generator, list[Feature], np.ndarray]:
    """Four numbers and two segment keys, and an error rate of 8 % everywhere."""
    rng = np.random.default_rng(seed)
    features = [cut_numbers(f"in_x{i}", rng.normal(size=n)) for i in range(4)]
    features.append(cut_texts("seg_line", [f"L{i}" for i in rng.integers(0, 3, n)]))
    features.append(cut_texts("seg_shift", [("day", "night")[i] for i in rng.integers(0, 2, n)]))
    return rng, features, np.full(n, 0.08)


def test_clean_data_gives_about_no_discoveries() -> None:
    n_false = 0
    for seed in range(40):
        rng, features, rate = world(seed)
        found = find_worst((rng.random(rate.size) < rate).astype(float), features)
        assert found.n_tested > 150
        n_false += bool(found.slices)
    assert n_false <= 5  # 5 % expected; 40 runs: 2 and a bit


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_slice_is_found_first_and_told_once(seed: int) -> None:
    rng, features, rate = world(100 + seed)
    rate[features[4].codes == 1] = 0.2
    found = find_worst((rng.random(rate.size) < rate).astype(float), features)
    assert found.slices[0].conditions == (features[4].bins[1],)
    assert found.slices[0].value == pytest.approx(0.2, abs=0.05)
    assert found.slices[0].lower < found.slices[0].value < found.slices[0].upper
    assert found.slices[0].difference == pytest.approx(0.12, abs=0.05)
    assert len(found.slices) <= 2


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_pair_is_found_first_as_a_pair(seed: int) -> None:
    rng, features, rate = world(200 + seed)
    rate[(features[5].codes == 0) & (features[1].codes == 3)] = 0.35
    found = find_worst((rng.random(rate.size) < rate).astype(float), features)
    assert set(found.slices[0].conditions) == {features[5].bins[0], features[1].bins[3]}
    assert len(found.slices) <= 2


def test_two_separate_problems_are_both_found() -> None:
    rng, features, rate = world(7, 6000)
    rate[features[4].codes == 0] = 0.25
    rate[features[0].codes == 3] = 0.25
    found = find_worst((rng.random(rate.size) < rate).astype(float), features)
    assert {one.conditions[0].column for one in found.slices[:2]} == {"seg_line", "in_x0"}


def test_errors_of_numbers_are_compared_by_their_means() -> None:
    rng, features, _ = world(9)
    errors = np.abs(rng.normal(0, 10, 3000)) + 8.0 * (features[4].codes == 2)
    found = find_worst(errors, features, is_share=False)
    assert found.slices[0].conditions == (features[4].bins[2],)
    n_false = 0
    for seed in range(50, 60):
        rng, features, _ = world(seed)
        n_false += bool(find_worst(np.abs(rng.normal(0, 10, 3000)), features, is_share=False).slices)
    assert n_false <= 2


def test_weights_undo_a_review_queue_that_looks_for_mistakes() -> None:
    """Boards of one line are doubted more, so more of its mistakes were looked at; it is no worse."""
    rng = np.random.default_rng(11)
    n = 40_000
    lines = rng.integers(0, 2, n)
    wrong = rng.random(n) < 0.1
    pi = np.where(wrong & (lines == 1), 0.6, 0.2)
    seen = rng.random(n) < pi
    feature = cut_texts("seg_line", [f"L{i}" for i in lines[seen]])
    naive = find_worst(wrong[seen].astype(float), [feature])
    weighed = find_worst(wrong[seen].astype(float), [feature], 1 / pi[seen])
    assert len(naive.slices) == 1
    assert weighed.slices == ()


def test_small_missing_constant_and_empty_parts() -> None:
    values: Any = np.array([np.nan] * 40 + [1.0] * 60)
    feature = cut_numbers("in_x", values)
    assert feature.bins[-1].is_missing
    assert int((feature.codes == len(feature.bins) - 1).sum()) == 40
    errors = np.array([1.0] * 20 + [0.0] * 80)
    found = find_worst(errors, [feature])
    assert found.slices[0].conditions == (Condition("in_x"),)
    assert find_worst(errors, [feature], min_n=50).slices == ()
    assert find_worst([], [feature]).n_tested == 0
    nothing = cut_numbers("in_y", np.full(100, np.nan))
    assert find_worst(errors, [nothing, cut_texts("seg_z", [None] * 100)]).slices == ()
    many = cut_texts("seg_id", [f"id{i}" for i in range(100)])
    assert (many.codes < 0).sum() == 80


def test_the_tail_is_fishers_exact_test() -> None:
    from scipy.stats import hypergeom

    rng = np.random.default_rng(1)
    for _ in range(50):
        n_all = int(rng.integers(5, 5000))
        n_hits, n = int(rng.integers(0, n_all + 1)), int(rng.integers(0, n_all + 1))
        k = int(rng.integers(0, n + 2))
        expected = float(hypergeom.sf(k - 1, n_all, n_hits, n))
        assert hypergeometric_tail(k, n, n_hits, n_all) == pytest.approx(expected, rel=1e-6, abs=1e-12)

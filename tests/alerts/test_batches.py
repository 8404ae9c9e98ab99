"""The stratified draw against simulation: the stated chances are the real ones, and shares can be estimated by them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from review.rules.batches import BatchItem, draw_batch, strata_of

RNG = np.random.default_rng(5)
ITEMS = [
    BatchItem(f"s{i}", score=float(RNG.random()), disagrees=i % 25 == 0, is_in_drifted_bin=i % 10 == 0)
    for i in range(400)
]


def test_every_item_is_drawn_as_often_as_its_inclusion_probability_says() -> None:
    drawn: Counter[str] = Counter()
    chances: dict[str, float] = {}
    n_runs = 400
    for seed in range(n_runs):
        for one in draw_batch(ITEMS, 60, seed):
            drawn[one.subject_id] += 1
            chances[one.subject_id] = one.pi
    deviations = [(drawn[one] - n_runs * pi) / np.sqrt(n_runs * pi * (1 - pi)) for one, pi in chances.items() if pi < 1]
    assert np.std(deviations) == pytest.approx(1.0, abs=0.15)
    assert abs(float(np.mean(deviations))) < 0.15
    assert sum(drawn.values()) / n_runs < 60  # overlaps make a batch a little smaller


def test_a_share_over_everything_is_estimated_without_bias() -> None:
    """Horvitz-Thompson: items in trouble are drawn more often, and still count for what they are."""
    is_wrong = {item.subject_id: item.disagrees or (item.score or 1) < 0.2 for item in ITEMS}
    truth = sum(is_wrong.values()) / len(ITEMS)
    estimates = [
        sum(is_wrong[one.subject_id] / one.pi for one in draw_batch(ITEMS, 60, seed)) / len(ITEMS)
        for seed in range(300)
    ]
    assert float(np.mean(estimates)) == pytest.approx(truth, abs=3 * float(np.std(estimates)) / np.sqrt(300))


def test_the_random_control_covers_everything_and_small_strata_are_taken_whole() -> None:
    strata = strata_of(ITEMS)
    assert len(strata["random_control"]) == 400
    assert len(strata["low_confidence"]) == 40
    picked = {one.subject_id: one for one in draw_batch(ITEMS, 200, seed=1)}
    assert strata["disagreement"] <= set(picked)
    assert {one.pi for name, one in picked.items() if name in strata["disagreement"]} == {1.0}
    assert draw_batch([], 10, seed=1) == []

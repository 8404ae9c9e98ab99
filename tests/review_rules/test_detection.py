"""d' and c, capture-recapture, and what seeing the machine's answer does: published values and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from review.rules import inspection
from review.rules.inspection import Assisted, Inspection


def test_d_prime_matches_the_published_value() -> None:
    found = inspection.detection(0.77, 0.02)
    assert found.d_prime == pytest.approx(2.7926, abs=1e-4)
    assert found.criterion == pytest.approx(0.6575, abs=1e-4)


@pytest.mark.parametrize("rates", [(1.0, 0.1), (0.5, 0.0)])
def test_rates_of_0_and_1_are_refused(rates: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="0 and 1"):
        inspection.detection(*rates)


@pytest.mark.parametrize("counts", [(45, 5, 10, 940), (50, 0, 0, 950), (0, 3, 7, 0)])
def test_counts_get_half_an_answer_each(counts: tuple[int, int, int, int]) -> None:
    tp, fn, fp, tn = counts
    found = inspection.detection_of(Inspection(tp, fn, fp, tn))
    hit, alarm = stats.norm.ppf((tp + 0.5) / (tp + fn + 1)), stats.norm.ppf((fp + 0.5) / (fp + tn + 1))
    assert found == pytest.approx((hit - alarm, -(hit + alarm) / 2))


def test_without_defects_or_good_items_there_is_no_d_prime() -> None:
    assert inspection.detection_of(Inspection(0, 0, 3, 7)) is None
    assert inspection.detection_of(Inspection(3, 7, 0, 0)) is None


def test_chapman_matches_the_published_value_and_counts_what_was_found() -> None:
    found = inspection.capture_recapture(42, 38, 33)
    assert found.n_estimated == pytest.approx(48.32, abs=0.01)
    assert found.n_found == 47
    assert found.n_missed == pytest.approx(1.32, abs=0.01)
    assert found.lower is not None
    assert found.upper is not None
    assert found.n_found <= found.lower < found.n_estimated < found.upper


def test_both_cannot_have_found_more_than_either() -> None:
    with pytest.raises(ValueError, match="either"):
        inspection.capture_recapture(3, 5, 4)


@pytest.mark.parametrize(("first", "second", "both"), [(20, 20, 20), (12, 10, 10)])
def test_when_one_found_all_of_the_others_there_is_an_estimate_without_interval(
    first: int, second: int, both: int
) -> None:
    found = inspection.capture_recapture(first, second, both)
    assert (found.n_estimated, found.n_missed) == (first, 0)
    assert (found.lower, found.upper) == (None, None)


def test_intervals_of_independent_judges_cover_the_number_of_defects() -> None:
    rng = np.random.default_rng(8)
    n_true, n_covered, estimates = 120, 0, []
    for _ in range(1500):
        first, second = rng.random(n_true) < 0.7, rng.random(n_true) < 0.6
        found = inspection.capture_recapture(int(first.sum()), int(second.sum()), int((first & second).sum()))
        estimates.append(found.n_estimated)
        assert found.lower is not None
        assert found.upper is not None
        n_covered += found.lower <= n_true <= found.upper
    assert np.mean(estimates) == pytest.approx(n_true, abs=1)
    assert 0.93 <= n_covered / 1500 <= 0.98


def test_automation_bias_and_benefit_are_counted_as_by_hand() -> None:
    rng = np.random.default_rng(2)
    items = [Assisted(*(bool(one) for one in row)) for row in rng.random((500, 3)) < [0.8, 0.7, 0.85]]
    found = inspection.count_assistance(items)
    table = np.array(items)
    misled, helped = table[:, 0] & ~table[:, 1], ~table[:, 0] & table[:, 1]
    assert (found.bias.n_hits, found.bias.n) == ((misled & ~table[:, 2]).sum(), misled.sum())
    assert (found.benefit.n_hits, found.benefit.n) == ((helped & table[:, 2]).sum(), helped.sum())
    assert found.first.value == table[:, 0].mean()
    assert found.final.value == table[:, 2].mean()
    assert inspection.count_assistance([]).bias.value is None

"""Blame by simulation: a cause planted in each mechanism in turn is named, clean data blames nobody."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from backend.pipelines.blame import Blame, Period, blame, shapley
from backend.pipelines.strata import bin_features, grow

N = 500


def simulate(
    n: int, rng: np.random.Generator, *, noise: float = 0, vad: float = 0, rec: float = 0, post: float = 0
) -> Period:
    """Loudness and length -> VAD (cuts, may find nothing) -> recogniser (may be wrong) -> post-processing (drops)."""
    loud, length = rng.normal(-noise, 1, n), rng.lognormal(-0.5, 0.3, n)
    is_lost = rng.random(n) < 1 / (1 + np.exp(4 + loud - 4 * vad))
    cut = np.clip(rng.normal(0.05 + 0.5 * vad, 0.05, n), 0, 0.9)
    speech = np.where(is_lost, np.nan, length * (1 - cut))
    edge = np.where(is_lost, np.nan, -40 + 60 * cut + rng.normal(0, 3, n))
    chance = 1 / (1 + np.exp(-(-3.5 + 8 * cut - 0.5 * loud + 3 * rec)))
    is_wrong = is_lost | (rng.random(n) < chance)
    sure = np.where(is_lost, np.nan, np.where(is_wrong, 0.4, 0.9) + rng.normal(0, 0.05, n))
    is_dropped = rng.random(n) < 0.02 + 0.3 * post
    came_in = np.column_stack([loud, length, rng.normal(size=n)])
    after_vad = np.column_stack([came_in, is_lost, speech, edge])
    after_recogniser = np.column_stack([after_vad, is_wrong, sure])
    bad = (is_wrong | is_dropped).astype(float)
    return Period((came_in, after_vad, after_recogniser), (np.zeros(n), np.zeros(n), bad), np.ones(n))


def run(seed: int, n: int = N, **cause: float) -> Blame:
    rng = np.random.default_rng(seed)
    return blame(simulate(n, rng), simulate(n, rng, **cause), rng)


def blamed(found: Blame) -> tuple[int, ...]:
    return tuple(place for place, share in enumerate(found.shares) if share.is_blamed)


@pytest.mark.parametrize(
    ("cause", "place"), [({"noise": 2.0}, 0), ({"vad": 0.5}, 1), ({"rec": 0.7}, 2), ({"post": 0.6}, 3)]
)
def test_the_planted_cause_is_named_and_nothing_else(cause: dict[str, float], place: int) -> None:
    found = [run(seed, **cause) for seed in range(8)]
    named = Counter(blamed(one) for one in found)
    assert named[(place,)] >= 7, named
    for one in found:
        assert one.verdict == "blamed"
        assert one.change is not None
        assert sum(share.change for share in one.shares) == pytest.approx(one.change)
        assert one.shares[place].change / one.change > 0.6


def test_clean_data_blames_nobody() -> None:
    found = [run(seed, n) for n in (150, N) for seed in range(20)]
    assert Counter(blamed(one) for one in found) == {(): 40}
    assert sum(one.verdict == "unchanged" for one in found) >= 38


def test_the_change_is_the_plain_difference_of_means() -> None:
    rng = np.random.default_rng(3)
    before, now = simulate(N, rng), simulate(N, rng, rec=0.5)
    found = blame(before, now, rng)
    plain = now.rewards[-1].mean() - before.rewards[-1].mean()
    assert found.change == pytest.approx(plain, abs=0.01)
    assert found.reference == pytest.approx(before.rewards[-1].mean())


def test_a_step_that_is_given_something_new_is_not_blamed_and_the_answer_says_so() -> None:
    found = run(1, vad=1.0)
    assert blamed(found) == (1,)
    assert found.shares[2].unseen > 0.8


def test_latency_is_shared_out_over_the_steps_that_take_it() -> None:
    """A longer text makes step two slower too: that part belongs to the first step, which made the text longer."""

    def period(n: int, rng: np.random.Generator, longer: float, slower: float) -> Period:
        size = rng.lognormal(3 + longer, 0.4, n)
        first, second = rng.gamma(5, 2, n), size * (1 + slower) + rng.gamma(2, 1, n)
        return Period((np.zeros((n, 0)), np.log(size)[:, None]), (first, second), np.ones(n))

    rng = np.random.default_rng(5)
    base = period(2000, rng, 0, 0)
    grown = blame(base, period(2000, rng, 0.3, 0), rng, min_change=1)
    slowed = blame(base, period(2000, rng, 0, 0.3), rng, min_change=1)
    assert blamed(grown) == (1,)
    assert blamed(slowed) == (2,)


def test_few_traces_without_an_answer_are_no_likeness_of_those_with_one() -> None:
    """A step that gives none in 2 % of its traces: the next one has nothing to work with and is not to blame."""

    def period(n: int, lost: int) -> Period:
        is_lost = np.arange(n) < lost
        speech = np.where(is_lost, np.nan, rng.normal(size=n))
        kinds = (np.zeros(n, dtype=np.int64), np.where(is_lost, 2, 0))
        return Period((np.zeros((n, 0)), speech[:, None]), (np.zeros(n), is_lost.astype(float)), np.ones(n), kinds)

    rng = np.random.default_rng(3)
    assert blamed(blame(period(600, 0), period(600, 11), rng)) == (1,)


def test_too_few_traces_give_no_verdict_but_the_number_needed() -> None:
    found = run(1, n=40, vad=0.5)
    assert (found.verdict, found.n_needed, found.shares) == ("insufficient", 60, ())
    nothing = Period((np.zeros((0, 1)),), (np.zeros(0),), np.zeros(0))
    assert blame(nothing, nothing, np.random.default_rng(1)).verdict == "insufficient"


def test_without_any_feature_the_only_step_is_what_is_left() -> None:
    rng = np.random.default_rng(2)
    before, now = (
        Period((np.zeros((400, 0)),), ((rng.random(400) < chance).astype(float),), np.ones(400))
        for chance in (0.05, 0.4)
    )
    assert blamed(blame(before, now, rng)) == (1,)


def test_missing_constant_and_infinite_features_do_no_harm() -> None:
    rng = np.random.default_rng(4)
    odd = np.column_stack([np.full(200, np.nan), np.ones(200), np.where(rng.random(200) < 0.5, np.inf, 1e300)])
    bad = (rng.random(200) < 0.1).astype(float)
    found = blame(Period((odd,), (bad,), np.ones(200)), Period((odd,), (bad,), np.ones(200)), rng)
    assert found.verdict == "unchanged"
    assert found.change == pytest.approx(0)


def test_weights_undo_uneven_sampling() -> None:
    """Wrong answers are looked at ten times as often in the current period: weighed, nothing has changed."""
    rng = np.random.default_rng(6)
    before, now = simulate(6000, rng), simulate(6000, rng)
    bad = now.rewards[-1] == 1
    keep = bad | (rng.random(6000) < 0.1)
    weight = np.where(bad, 1.0, 10.0)[keep]
    picked = Period(tuple(x[keep] for x in now.features), tuple(r[keep] for r in now.rewards), weight)
    assert blame(before, picked, rng).verdict == "unchanged"
    plain = Period(picked.features, picked.rewards, np.ones(keep.sum()))
    assert blame(before, plain, rng).verdict != "unchanged"


def test_shapley_values_are_the_mean_over_all_orders() -> None:
    rng = np.random.default_rng(8)
    values = rng.normal(size=(16, 2))
    expected = np.zeros((4, 2))
    orders = list(permutations(range(4)))
    for order in orders:
        mask = 0
        for player in order:
            expected[player] += (values[mask | 1 << player] - values[mask]) / len(orders)
            mask |= 1 << player
    assert shapley(values) == pytest.approx(expected)


def test_groups_follow_what_matters_and_are_never_too_small() -> None:
    rng = np.random.default_rng(9)
    features = np.column_stack([rng.random(1000), rng.random(1000)])
    features[:100, 1] = np.nan
    target = np.where(features[:, 0] > 0.5, 1.0, 0.0) + np.where(np.isnan(features[:, 1]), 3.0, 0.0)
    groups = grow(bin_features(features), target, np.ones(1000), n_groups=4, min_size=30)
    assert np.bincount(groups).min() >= 30
    spread = [target[groups == group].std() for group in range(4)]
    assert max(spread) < 0.25

"""Shares of traffic over many keys: right within what chance allows, sticky, nested, and with no key moved in vain."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from review.rules.shares import PARTS, Ranges, holds, lay_out, part_of, ranges_of

KEYS = [f"board-{n}" for n in range(20_000)]
PLACES = {key: part_of("model", key) for key in KEYS}


def given(laid_out: dict[str, Ranges], champion: str = "v1") -> dict[str, str]:
    """Key -> the version that it is given to."""
    return {
        key: next((name for name, ranges in laid_out.items() if holds(ranges, place)), champion)
        for key, place in PLACES.items()
    }


def sizes(laid_out: dict[str, Ranges]) -> dict[str, int]:
    return {name: sum(high - low for low, high in ranges) for name, ranges in laid_out.items()}


@pytest.mark.parametrize("shares", [{"v2": 0.05}, {"v2": 0.2, "v3": 0.3}, {"v2": 0.25, "v3": 0.25, "v4": 0.5}])
def test_shares_over_20000_keys_lie_within_four_standard_errors(shares: dict[str, float]) -> None:
    found = Counter(given(lay_out("v1", shares)).values())
    for name, share in {**shares, "v1": 1 - sum(shares.values())}.items():
        assert abs(found[name] - 20_000 * share) <= 4 * math.sqrt(20_000 * share * (1 - share))


def test_other_models_give_the_same_keys_independently() -> None:
    mine = {key for key in KEYS if part_of("model", key) < PARTS // 10}
    theirs = {key for key in KEYS if part_of("other", key) < PARTS // 10}
    assert abs(len(mine & theirs) - 200) <= 4 * math.sqrt(200)


def test_who_got_the_challenger_keeps_it_as_shares_grow_and_the_first_ones_stay_as_they_shrink() -> None:
    steps, laid_out, before = {}, {}, 0.0
    for share in (0.05, 0.2, 0.5, 1.0, 0.5, 0.2, 0.05):
        laid_out = lay_out("v1", {"v2": share}, "v1", laid_out)
        who = {key for key, name in given(laid_out).items() if name == "v2"}
        if share > before:
            assert steps.get(before, set()) <= who
            steps[share] = who
        else:
            assert who == steps[share]
        before = share
    assert len(steps[1.0]) == 20_000


@pytest.mark.parametrize("seed", range(5))
def test_changes_at_random_move_no_more_keys_than_shares_change_hands(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = ["v1", "v2", "v3", "v4", "v5"]
    champion, laid_out = "v1", dict[str, Ranges]()
    for _ in range(12):
        new_champion = names[rng.integers(5)] if rng.random() < 0.3 else champion
        others = [name for name in names if name != new_champion and rng.random() < 0.7]
        weights = rng.dirichlet(np.ones(len(others) + 1))[:-1]
        shares = {name: round(float(weight), 4) for name, weight in zip(others, weights, strict=True)}
        after = lay_out(new_champion, shares, champion, laid_out)
        assert sizes(after) == {name: round(share * PARTS) for name, share in shares.items()}
        edges = sorted(edge for ranges in after.values() for edge in ranges)
        assert all(one[1] <= two[0] for one, two in itertools.pairwise(edges))
        was = {**sizes(laid_out), champion: PARTS - sum(sizes(laid_out).values())}
        now = {**sizes(after), new_champion: PARTS - sum(sizes(after).values())}
        least = sum(max(0, now.get(name, 0) - was.get(name, 0)) for name in names) / PARTS
        old, new = given(laid_out, champion), given(after, new_champion)
        moved = sum(old[key] != new[key] for key in KEYS) / 20_000
        assert abs(moved - least) <= 4 * math.sqrt(0.25 / 20_000)
        champion, laid_out = new_champion, after


def test_shares_beyond_one_find_no_more_than_there_is() -> None:
    assert sizes(lay_out("v1", {"v2": 0.7, "v3": 0.7})) == {"v2": 700_000_000, "v3": 300_000_000}


def test_stored_challengers_without_parts_are_laid_out_and_shadows_hold_none() -> None:
    stored = [{"version": "v2", "mode": "canary", "share": 0.1}, {"version": "v3", "mode": "shadow", "share": 0.5}]
    assert ranges_of(stored, "v1") == {"v2": [[0, PARTS // 10]]}
    assert ranges_of([{**stored[0], "parts": [[5, 9]]}, stored[1]], "v1") == {"v2": [[5, 9]]}

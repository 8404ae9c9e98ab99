"""Shares over items that were not chosen alike: the truth of the whole is found, a plain mean would miss it."""

from __future__ import annotations

import numpy as np
import pytest

from db.analytics.judged import JudgedPairs, pair_up
from db.analytics.values import rate


def looked_at(rng: np.random.Generator, n: int = 6000, accuracy: float = 0.93) -> JudgedPairs:
    """Wrong answers are looked at ten times as often as right ones."""
    is_right = rng.random(n) < accuracy
    chance = np.where(is_right, 0.05, 0.5)
    seen = rng.random(n) < chance
    answers = np.where(is_right, "ok", "bad")[seen]
    return pair_up(
        answers.tolist(),
        ["ok"] * int(seen.sum()),
        np.zeros(int(seen.sum()), dtype=np.int64),
        None,
        1,
        frozenset({"bad"}),
        (1 / chance[seen]).tolist(),
    )


def test_the_share_in_all_that_was_logged_is_found_and_the_plain_mean_is_far_off() -> None:
    rng = np.random.default_rng(11)
    shares, plain = [], []
    for _ in range(200):
        pairs = looked_at(rng)
        everything = np.ones_like(pairs.is_equal)
        shares.append(float(pairs.share(pairs.is_equal, everything).value[0, 0]))
        plain.append(float(pairs.count(pairs.is_equal)[0, 0] / pairs.count(everything)[0, 0]))
    assert np.mean(shares) == pytest.approx(0.93, abs=0.002)
    assert np.mean(plain) < 0.7


def test_equal_chances_give_the_plain_share_and_its_wilson_interval() -> None:
    pairs = pair_up(
        ["ok"] * 45 + ["bad"] * 5, ["ok"] * 50, np.zeros(50, dtype=np.int64), None, 1, frozenset({"bad"}), [4.0] * 50
    )
    found = pairs.share(pairs.is_equal, np.ones_like(pairs.is_equal))
    expected = rate(("",), np.array([[45.0]]), np.array([[50.0]]))
    assert found.lower is not None
    assert found.upper is not None
    assert [found.value[0, 0], found.n[0, 0]] == [expected.value[0, 0], 50]
    assert [found.lower[0, 0], found.upper[0, 0]] == pytest.approx([0.7864, 0.9565], abs=1e-3)


def test_nothing_judged_is_undefined() -> None:
    pairs = pair_up([], [], np.zeros(0, dtype=np.int64), None, 2, frozenset(), [])
    assert np.isnan(pairs.share(pairs.is_equal, pairs.is_equal).value).all()

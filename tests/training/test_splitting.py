"""A subject's split never changes; the share is kept; salts draw anew."""

from __future__ import annotations

import pytest

from review.rules.splitting import split_of

IDS = [f"subject-{n}" for n in range(10_000)]


def test_the_share_is_kept_within_sampling_error() -> None:
    n_held_out = sum(split_of(i, 0.2) == "held_out" for i in IDS)
    assert abs(n_held_out - 2000) < 4 * (10_000 * 0.2 * 0.8) ** 0.5


def test_a_larger_share_only_adds_to_the_held_out_part() -> None:
    small = {i for i in IDS if split_of(i, 0.1) == "held_out"}
    large = {i for i in IDS if split_of(i, 0.3) == "held_out"}
    assert small < large


def test_known_ids_keep_their_split_for_ever() -> None:
    expected = [True, False, True, False, True, False]
    assert [split_of(f"board-{n}", 0.5) == "train" for n in range(6)] == expected


def test_another_salt_is_another_draw() -> None:
    assert [split_of(i) for i in IDS[:200]] != [split_of(i, salt="other") for i in IDS[:200]]


def test_no_held_out_share_leaves_all_to_training() -> None:
    assert {split_of(i, 0.0) for i in IDS[:500]} == {"train"}


@pytest.mark.parametrize("share", [-0.1, 1.0, 2.0])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="held_out_share"):
        split_of("a", share)


def test_ids_with_lone_surrogates_and_vietnamese_are_split_too() -> None:
    assert split_of("bảng-mạch-\udc80") in {"train", "held_out"}

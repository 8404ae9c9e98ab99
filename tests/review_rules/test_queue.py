"""Order of the queue and what becomes of an answer, to exact values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from review.rules.queue import WEIGHTS, Lease, priority_of, receive

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "holder", "minutes_left", "expected"),
    [
        ("open", "an", 5, "counted"),
        ("open", "an", -1, "late"),
        ("open", "binh", -1, "late"),
        ("open", "binh", 5, "extra"),
        ("open", None, None, "late"),
        ("done", "an", 5, "extra"),
        ("skipped", None, None, "extra"),
    ],
)
def test_an_answer_is_counted_late_or_extra_but_always_kept(
    state: str, holder: str | None, minutes_left: int | None, expected: str
) -> None:
    until = None if minutes_left is None else NOW + timedelta(minutes=minutes_left)
    assert receive(Lease(state, "token", holder, until), token="token", person="an", now=NOW) == expected


def test_a_heavier_reason_wins_in_the_share_that_its_weight_says() -> None:
    n = 4_000
    first = sum(priority_of("disagreement", f"a{i}", 1) < priority_of("random_audit", f"b{i}", 1) for i in range(n))
    expected = WEIGHTS["disagreement"] / (WEIGHTS["disagreement"] + WEIGHTS["random_audit"])
    assert first / n == pytest.approx(expected, abs=0.03)


def test_the_order_is_the_seed_s_alone() -> None:
    items = [f"item-{i}" for i in range(50)]
    one, again, other = ([priority_of("gold", item, seed) for item in items] for seed in (1, 1, 2))
    assert one == again
    assert one != other

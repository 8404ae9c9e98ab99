"""Buckets widen until a usual point has enough items, and never until there is no course left to see."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dashboard.kit import grain, spark

MONTH = timedelta(days=30)


@pytest.mark.parametrize(("length", "width"), [(timedelta(hours=1), 300), (timedelta(days=1), 3600), (MONTH, 86_400)])
def test_first_width_gives_some_thirty_points(length: timedelta, width: int) -> None:
    assert grain.first(length) == width


def test_few_items_widen_the_buckets() -> None:
    assert grain.wider(86_400, [3, 7, 5], MONTH) == 7 * 86_400


def test_enough_items_leave_them() -> None:
    assert grain.wider(86_400, [25, 20, 31], MONTH) is None


def test_at_least_three_points_are_left() -> None:
    assert grain.wider(86_400, [1, 1, 1], timedelta(days=7)) is None


def test_small_line_keeps_gaps_and_escapes_its_name() -> None:
    drawn = spark.svg([1.0, None, 2.0, 3.0], "#123456", 'a "name" <b>')
    assert "&quot;name&quot; &lt;b&gt;" in drawn
    assert drawn.startswith("<img ")
    assert not spark.svg([None, 2.0], "#123456", "one point")

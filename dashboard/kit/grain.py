"""How wide a chart's buckets are where each point needs enough items behind it, such as agreement with people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

#: Widths the API offers that suit rare decisions.
WIDTHS_S: Final = (300, 3600, 6 * 3600, 86_400, 7 * 86_400)
#: Items that a point should stand for.
ENOUGH: Final = 20


def first(length: timedelta) -> int:
    """Some thirty buckets over the window."""
    seconds = length.total_seconds()
    return next((width for width in WIDTHS_S if seconds / width <= 31), WIDTHS_S[-1])


def wider(grain_s: int, counts: Iterable[float], length: timedelta) -> int | None:
    """A width with which the usual point has enough items, at least three points left; None when `grain_s` will do.

    >>> wider(86_400, [4, 5, 6, 0], timedelta(days=30))
    604800
    """
    filled = sorted(count for count in counts if count)
    usual = filled[len(filled) // 2] if filled else ENOUGH
    options = [width for width in WIDTHS_S if grain_s < width <= length.total_seconds() / 3]
    if usual >= ENOUGH or not options:
        return None
    wanted = grain_s * ENOUGH / usual
    return next((width for width in options if width >= wanted), options[-1])

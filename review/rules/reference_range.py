"""Where a value lies in what a model has seen: inside, rare, or outside. Pure; for the table at the bench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

State = Literal["inside", "rare", "outside", "missing", "unknown"]

#: Values beyond these quantiles of the reference are rare, beyond everything it held they are outside.
RARE = (0.01, 0.99)
#: A category that less than this share of the reference had is rare.
RARE_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Range:
    """Quantiles of a reference in the input's own unit: 0, 1, 25, 50, 75, 99 and 100 %, as exact as its bins are."""

    low: float
    rare_low: float
    quarter: float
    median: float
    three_quarters: float
    rare_high: float
    high: float


def range_of(edges: Sequence[float], counts: Sequence[int]) -> Range | None:
    """The range of a histogram with bins (lower, upper] between `edges`, the outer two open; None when it is empty.

    >>> range_of([0, 1, 2, 3], [0, 5, 90, 5, 0]).median
    2.0
    """
    if not edges or len(counts) != len(edges) + 1:
        return None
    upto = list(accumulate(counts))
    total = upto[-1]
    if total <= 0:
        return None

    def quantile(share: float) -> float:
        needed = share * total
        return float(next((edge for edge, n in zip(edges, upto, strict=False) if n >= needed), edges[-1]))

    n_below = sum(1 for n in upto if n == 0)
    low = float(edges[max(0, n_below - 1)])
    return Range(
        low, quantile(RARE[0]), quantile(0.25), quantile(0.5), quantile(0.75), quantile(RARE[1]), quantile(1.0)
    )


def state_of_number(value: float | None, known: Range | None) -> State:
    """What a number is to its reference.

    >>> state_of_number(7.0, range_of([0, 1, 2, 3], [0, 5, 90, 5, 0]))
    'outside'
    """
    if value is None:
        return "missing"
    if known is None:
        return "unknown"
    if not known.low <= value <= known.high:
        return "outside"
    return "inside" if known.rare_low <= value <= known.rare_high else "rare"


def state_of_category(value: str | None, shares: dict[str, float] | None, known: frozenset[str] = frozenset()) -> State:
    """What a category is to its reference: `shares` of the listed ones, `known` those that occurred beside them."""
    if value is None:
        return "missing"
    if not shares and not known:
        return "unknown"
    if value in known:
        return "rare"
    share = (shares or {}).get(value)
    if share is None:
        return "outside"
    return "rare" if share < RARE_SHARE else "inside"

"""Which labelled rows are most like a row: Gower's distance over numbers and categories. Pure.

Gower, J. C. (1971), A general coefficient of similarity and some of its properties, Biometrics 27.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]


def spans_of(rows: Iterable[Row]) -> dict[str, float]:
    """Largest minus smallest value of every number among the rows.

    >>> spans_of([{"a": 1}, {"a": 4.0, "b": "x"}])
    {'a': 3.0}
    """
    low: dict[str, float] = {}
    high: dict[str, float] = {}
    for row in rows:
        for name, value in row.items():
            if is_number(value):
                low[name] = min(low.get(name, value), value)
                high[name] = max(high.get(name, value), value)
    return {name: float(high[name] - low[name]) for name in low}


def is_number(value: Any) -> bool:
    """A number and not a yes or no."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def distance(one: Row, other: Row, spans: Mapping[str, float]) -> float | None:
    """The mean difference over the inputs that either row has, 0 (the same) to 1; None when they share no input.

    Numbers differ by their distance over the span, at most by 1; anything else by 0 or 1; present and absent by 1.

    >>> distance({"a": 1, "b": "x"}, {"a": 2, "b": "x"}, {"a": 4.0})
    0.125
    """
    names = one.keys() | other.keys()
    if not one.keys() & other.keys():
        return None
    return sum(_differ(one.get(name), other.get(name), spans.get(name, 0.0)) for name in names) / len(names)


def _differ(one: Any, other: Any, span: float) -> float:
    if is_number(one) and is_number(other):
        if one == other:
            return 0.0
        return min(1.0, abs(one - other) / span) if span > 0 else 1.0
    return 0.0 if one == other else 1.0


def nearest(row: Row, others: Mapping[str, Row], n: int) -> list[tuple[str, float]]:
    """The names of the `n` nearest rows with their distances, nearest first, ties by name."""
    spans = spans_of([row, *others.values()])
    found = ((distance(row, other, spans), name) for name, other in others.items())
    usable = [(gap, name) for gap, name in found if gap is not None]
    return [(name, gap) for gap, name in heapq.nsmallest(n, usable)]

"""What a person looks at: the reference against a window as bars, made from fine bins. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
N_BARS = 30
MAX_NAMES = 24
#: A share of either side that may lie beyond the outer bars.
_TAIL = 0.005


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: a category or a range (low, high], with its share of all rows on both sides."""

    bin: int
    text: str
    low: float | None
    high: float | None
    reference: float
    current: float


def number_bars(edges: Floats, steps: tuple[int, int], reference: Counts, current: Counts) -> list[Bar]:
    """Equally wide bars over where both sides lie, the rest in open ones at the ends; null has its own.

    Different values that are few have a bar each. Shares inside a fine bin are taken to be spread evenly.
    """
    m, n = max(1, int(reference.sum())), max(1, int(current.sum()))
    null = Bar(len(reference) - 1, "null", None, None, float(reference[-1] / m), float(current[-1] / n))
    if not len(edges):
        return [Bar(0, "", None, None, float(reference[0] / m), float(current[0] / n)), null]
    below = [np.cumsum(side[:-1])[:-1] / size for side, size in ((reference, m), (current, n))]
    totals = [float(side[:-1].sum() / size) for side, size in ((reference, m), (current, n))]
    n_values = steps[1] - steps[0]
    if 0 < n_values <= N_BARS:
        bounds, at = edges[steps[0] : steps[1] + 1], np.arange(steps[0], steps[1] + 1)
        upto = [side[at] for side in below]
        names = [f"{value:g}" for value in bounds[1:]]
    else:
        bounds = np.linspace(*_range(edges, below, totals), N_BARS + 1)
        upto = [np.interp(bounds, edges, side) for side in below]
        names = [""] * N_BARS
    bars = [
        Bar(place, names[place], float(bounds[place]), float(bounds[place + 1]), float(p), float(q))
        for place, (p, q) in enumerate(zip(np.diff(upto[0]), np.diff(upto[1]), strict=True))
    ]
    low = Bar(-1, "", None, float(bounds[0]), float(upto[0][0]), float(upto[1][0]))
    high = Bar(len(bars), "", float(bounds[-1]), None, totals[0] - float(upto[0][-1]), totals[1] - float(upto[1][-1]))
    ends = [bar if max(bar.reference, bar.current) > 1e-9 else None for bar in (low, high)]
    return [*([ends[0]] if ends[0] else []), *bars, *([ends[1]] if ends[1] else []), null]


def _range(edges: Floats, below: list[Floats], totals: list[float]) -> tuple[float, float]:
    lows, highs = [], []
    for side, total in zip(below, totals, strict=True):
        if total > 0:
            lows.append(edges[min(len(edges) - 1, int(np.searchsorted(side, _TAIL * total, side="right")))])
            highs.append(edges[min(len(edges) - 1, int(np.searchsorted(side, (1 - _TAIL) * total)))])
    low, high = float(min(lows, default=edges[0])), float(max(highs, default=edges[-1]))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def category_bars(names: list[str], reference: Counts, current: Counts) -> list[Bar]:
    """A bar per category that either side has, the most frequent first, what is left over as one; null last."""
    m, n = max(1, int(reference.sum())), max(1, int(current.sum()))
    p, q = reference / m, current / n
    order = sorted(range(len(names) - 1), key=lambda place: (-max(p[place], q[place]), place))
    used = [place for place in order if p[place] > 0 or q[place] > 0]
    shown, rest = used[:MAX_NAMES], used[MAX_NAMES:]
    bars = [Bar(place, names[place], None, None, float(p[place]), float(q[place])) for place in shown]
    if rest:
        bars.append(Bar(-1, "rest", None, None, float(p[rest].sum()), float(q[rest].sum())))
    return [*bars, Bar(len(names) - 1, "null", None, None, float(p[-1]), float(q[-1]))]

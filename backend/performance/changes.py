"""Where a stream of errors changed: ADWIN and Page-Hinkley from river. Pure; river is imported when it is needed,
because it brings 170 MB: the API runs it in a process of its own (detect.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Detector = Literal["adwin", "page_hinkley"]
#: Longer streams are averaged in groups of equal size first: some 3 microseconds an item.
MAX_ITEMS = 100_000


@dataclass(frozen=True, slots=True)
class Change:
    """One change: the item at which it was found, the item at which it most likely began, and the means around that.

    `n_before` and `n_after` are the items that the means are of: back to the change before, and up to the next one or
    the end. (Up to where it was found the mean would look worse than it is: it is found sooner when it does.)
    """

    found: int
    began: int
    before: float
    after: float
    n_before: int
    n_after: int

    @property
    def is_worse(self) -> bool:
        return self.after > self.before


def find_changes(
    errors: Sequence[float] | npt.NDArray[np.float64],
    detector: Detector = "adwin",
    *,
    delta: float = 0.002,
    threshold: float = 50.0,
) -> list[Change]:
    """Changes of the mean in the order given; the same stream always gives the same answer.

    `delta` is ADWIN's false alarm probability per check, `threshold` Page-Hinkley's lambda (tolerance 0.01: with half
    of that, one steady stream in twenty at an error of 25 % raised an alarm). Errors of a number are scaled to a spread
    of 0.25 first, as both detectors expect values near [0, 1]. Bifet and Gavalda, SDM (2007); Page, Biometrika 41
    (1954) 100.
    """
    values = np.asarray(errors, dtype=float)
    if values.size == 0:
        return []
    if not np.isfinite(values).all():
        raise ValueError("errors are finite numbers")
    group = -(-values.size // MAX_ITEMS)
    stream = _grouped(_scaled(values), group)
    original = _grouped(values, group)
    made = _make(detector, delta, threshold)
    ends: list[tuple[int, int]] = []
    start = 0
    for place, value in enumerate(stream.tolist()):
        made.update(value)
        if made.drift_detected:
            began = start + change_point(stream[start : place + 1])
            if began > start:
                ends.append((began, place))
                start = began
    return _described(ends, original, group, values.size)


def _described(ends: list[tuple[int, int]], stream: npt.NDArray[np.float64], group: int, n_items: int) -> list[Change]:
    """The changes with the means of the stretches between them."""
    edges = [0, *(began for began, _ in ends), stream.size]
    means = [float(stream[low:high].mean()) for low, high in pairwise(edges)]
    sizes = [min(high * group, n_items) - low * group for low, high in pairwise(edges)]
    return [
        Change(
            found=min(n_items, (place + 1) * group) - 1,
            began=began * group,
            before=means[number],
            after=means[number + 1],
            n_before=sizes[number],
            n_after=sizes[number + 1],
        )
        for number, (began, place) in enumerate(ends)
    ]


def change_point(values: npt.NDArray[np.float64]) -> int:
    """The place at which the mean most likely changed: the largest standardised gap of the cumulative sum.

    >>> change_point(np.array([0.0, 0.0, 0.0, 1.0, 1.0]))
    3
    """
    n = values.size
    if n < 2:
        return 0
    k = np.arange(1, n)
    gap = np.abs(np.cumsum(values)[:-1] - k * values.mean()) / np.sqrt(k * (n - k) / n)
    return int(np.argmax(gap)) + 1


def _make(detector: Detector, delta: float, threshold: float) -> Any:
    from river.drift import ADWIN, PageHinkley

    if detector == "adwin":
        return ADWIN(delta=delta)
    return PageHinkley(threshold=threshold, delta=0.01)


def _scaled(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if values.min() >= 0 and values.max() <= 1:
        return values
    middle, low, high = np.quantile(values, [0.5, 0.25, 0.75])
    spread = (high - low) / 1.349 or float(values.std()) or 1.0
    scaled: npt.NDArray[np.float64] = np.clip(0.5 + 0.25 * (values - middle) / spread, 0.0, 1.0)
    return scaled


def _grouped(values: npt.NDArray[np.float64], group: int) -> npt.NDArray[np.float64]:
    if group == 1:
        return values
    starts = np.arange(0, values.size, group)
    sums: npt.NDArray[np.float64] = np.add.reduceat(values, starts)
    return sums / np.minimum(group, values.size - starts)

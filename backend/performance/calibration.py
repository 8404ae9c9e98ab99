"""Performance without labels (CBPE): what calibrated confidence expects of itself. Pure.

It sees harm that shows in the scores; it is blind to concept drift, where the same scores begin to mean something else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from backend.performance.scoring import auc_of_counts

Numbers = npt.NDArray[np.float64]
Metric = Literal["accuracy", "auc", "escape_rate", "overkill_rate"]
#: Below this many labelled predictions no calibration is fitted.
MIN_CALIBRATION = 200
_Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Calibration:
    """A rising function from score to probability, fitted on `n` labelled predictions."""

    scores: Numbers
    chances: Numbers
    n: int

    def chance(self, scores: Any) -> Numbers:
        """The probability at each score; between fitted scores it is interpolated, outside it stays level."""
        found: Numbers = np.interp(np.asarray(scores, dtype=float), self.scores, self.chances)
        return found


def fit_isotonic(scores: Any, hits: Any, counts: Any) -> Calibration | None:
    """Isotonic regression of the hit rate on the score, from hits and counts per score; None without any count.

    Pool adjacent violators; Barlow et al., "Statistical Inference under Order Restrictions" (1972).

    >>> fit_isotonic([0.1, 0.2, 0.9], [1, 0, 9], [10, 10, 10]).chances.tolist()
    [0.05, 0.05, 0.9]
    """
    x, h, n = (np.asarray(one, dtype=float) for one in (scores, hits, counts))
    order = np.argsort(x, kind="stable")
    order = order[n[order] > 0]
    if not order.size:
        return None
    x, h, n = x[order], h[order], n[order]
    blocks: list[list[float]] = []  # hits, count, first, last
    for place in range(x.size):
        blocks.append([h[place], n[place], place, place])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + last[0], blocks[-1][1] + last[1], blocks[-1][2], last[3]]
    level = np.empty(x.size)
    for block_hits, block_n, first, last_place in blocks:
        level[int(first) : int(last_place) + 1] = block_hits / block_n
    return Calibration(x, level, int(n.sum()))


@dataclass(frozen=True, slots=True)
class Expected:
    """What a metric should be, with the interval that chance alone would make; None with the reason."""

    value: float | None
    lower: float | None = None
    upper: float | None = None
    reason: str | None = None


def expect(metric: Metric, chance: Any, counts: Any, says_positive: Any | None) -> Expected:
    """The expected metric of predictions in groups of equal score and answer.

    With `says_positive` the chances are those of being positive; without, those of the answer being right (which
    serves accuracy alone). Groups come in rising order of score.
    """
    c, n = np.asarray(chance, dtype=float), np.asarray(counts, dtype=float)
    if not n.sum():
        return Expected(None, reason="no_scores")
    if says_positive is None:
        return _share(c, n, np.ones_like(c)) if metric == "accuracy" else Expected(None, reason="no_positive_scores")
    positive = np.asarray(says_positive, dtype=bool)
    if metric == "accuracy":
        return _share(np.where(positive, c, 1 - c), n, np.ones_like(c))
    if metric == "auc":
        found = auc_of_counts(n * c, n * (1 - c))
        return Expected(found.value, found.lower, found.upper, found.reason)
    if metric == "escape_rate":
        return _ratio(c, n, ~positive)
    return _ratio(1 - c, n, positive)


def _share(right: Numbers, n: Numbers, of: Numbers) -> Expected:
    total = float((n * of).sum())
    value = float((n * right).sum()) / total
    half = _Z95 * math.sqrt(float((n * right * (1 - right)).sum())) / total
    return Expected(value, max(0.0, value - half), min(1.0, value + half))


def _ratio(chance: Numbers, n: Numbers, hit: npt.NDArray[np.bool_]) -> Expected:
    """sum over hits of the chance, of the sum over all: defects passed of all defects, and the like."""
    total = float((n * chance).sum())
    if total <= 0:
        return Expected(None, reason="one_class")
    value = float((n * chance)[hit].sum()) / total
    half = _Z95 * math.sqrt(float((n * chance * (1 - chance) * (hit - value) ** 2).sum())) / total
    return Expected(value, max(0.0, value - half), min(1.0, value + half))

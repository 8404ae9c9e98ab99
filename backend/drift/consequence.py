"""Whether drift does harm: how often people found the model wrong inside the drifted bins against outside. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from backend.drift import special

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
#: Fewer judged subjects than this on either side say nothing.
MIN_JUDGED = 20
ALPHA = 0.05
#: A rise of the error rate beyond this is harm; one that is surely below it is benign.
MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class Consequence:
    """`verdict`: harmful (surely more errors inside), benign (surely no rise beyond the margin) or unknown.

    Rates are shares of wrong answers in all that was logged (weighted by one over the chance to be looked at), None
    where nobody looked; `low` and `high` bound the rise inside against outside (95 %).
    """

    verdict: Literal["harmful", "benign", "unknown"]
    n_inside: int = 0
    n_outside: int = 0
    error_inside: float | None = None
    error_outside: float | None = None
    low: float | None = None
    high: float | None = None


def weigh(is_inside: Flags, is_wrong: Flags, weight: Floats) -> Consequence:
    """Compare the two error rates; sizes are effective ones (Kish), so doubtful items do not count twice.

    >>> inside, wrong = np.arange(200) < 100, np.arange(200) % 100 < 40
    >>> wrong = wrong & inside
    >>> weigh(inside, wrong, np.ones(200)).verdict
    'harmful'
    """
    (a, n_a), (b, n_b) = (_rate(is_wrong[side], weight[side]) for side in (is_inside, ~is_inside))
    counts = {"n_inside": int(is_inside.sum()), "n_outside": int((~is_inside).sum())}
    rates = {"error_inside": _or_none(a), "error_outside": _or_none(b)}
    if min(n_a, n_b) < MIN_JUDGED:
        return Consequence("unknown", **counts, **rates)  # type: ignore[arg-type]
    # Agresti and Caffo: one success and one failure more on both sides keep the interval honest near 0 and 1.
    p, q = (a * n_a + 1) / (n_a + 2), (b * n_b + 1) / (n_b + 2)
    half = 1.959964 * math.sqrt(p * (1 - p) / (n_a + 2) + q * (1 - q) / (n_b + 2))
    low, high = p - q - half, p - q + half
    pooled = (a * n_a + b * n_b) / (n_a + n_b)
    spread = math.sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / n_a + 1 / n_b))
    is_worse = float(special.ndtr(-(a - b) / spread)) < ALPHA / 2 and low > 0
    verdict: Literal["harmful", "benign", "unknown"] = (
        "harmful" if is_worse else "benign" if high < MARGIN else "unknown"
    )
    return Consequence(verdict, **counts, **rates, low=low, high=high)  # type: ignore[arg-type]


def _rate(is_wrong: Flags, weight: Floats) -> tuple[float, float]:
    total = float(weight.sum())
    if not total:
        return math.nan, 0.0
    return float((is_wrong * weight).sum()) / total, total**2 / float((weight**2).sum())


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value

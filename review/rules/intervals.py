"""Confidence intervals of a rate, and sample sizes for a clean lot. Pure; used by charts, comparisons and evidence."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

_NORMAL = NormalDist()


class Interval(NamedTuple):
    """Lower and upper bound of a rate, both within [0, 1]."""

    lower: float
    upper: float


def wilson(n_hits: int, n: int, confidence: float = 0.95) -> Interval | None:
    """Wilson's score interval for `n_hits` of `n`; None when nothing was counted.

    Close to the stated coverage at any rate, so it is the interval of every rate on a chart.
    Wilson, JASA 22 (1927) 209.

    >>> [round(bound, 4) for bound in wilson(45, 50)]
    [0.7864, 0.9565]
    """
    _check(n_hits, n, confidence)
    if n == 0:
        return None
    z = _NORMAL.inv_cdf(0.5 + confidence / 2)
    rate = n_hits / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    lower = 0.0 if n_hits == 0 else max(0.0, centre - half)
    upper = 1.0 if n_hits == n else min(1.0, centre + half)
    return Interval(lower, upper)


def wilson_of_share(
    share: float, n_effective: float, confidence: float = 0.95, *, quantile: float | None = None
) -> Interval:
    """Wilson's interval of a weighted share that is worth `n_effective` (Kish) equal items, above 0.

    `quantile` stands in for the normal one, such as Student's where the variance was estimated.

    >>> [round(bound, 4) for bound in wilson_of_share(0.9, 50)]
    [0.7864, 0.9565]
    """
    if not 0 <= share <= 1 or n_effective <= 0 or not 0 < confidence < 1:
        raise ValueError("a share of something, with a confidence strictly between 0 and 1")
    z = quantile if quantile is not None else _NORMAL.inv_cdf(0.5 + confidence / 2)
    centre = (share + z * z / (2 * n_effective)) / (1 + z * z / n_effective)
    spread = share * (1 - share) / n_effective + z * z / (4 * n_effective * n_effective)
    half = z / (1 + z * z / n_effective) * math.sqrt(spread)
    return Interval(min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)))


def student_quantile(p: float, degrees: float) -> float:
    """The quantile of Student's t, by its expansion around the normal one (Abramowitz and Stegun 26.7.5).

    Within 2e-3 from 6 degrees of freedom on at p = .975; without SciPy, which the charts do without.

    >>> round(student_quantile(0.975, 30), 4)
    2.0423
    """
    if not 0 < p < 1 or degrees < 1:
        raise ValueError("p lies strictly between 0 and 1, and there is at least one degree of freedom")
    z, v = _NORMAL.inv_cdf(p), degrees
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / v + second / v**2 + third / v**3


def clopper_pearson(n_hits: int, n: int, confidence: float = 0.95) -> Interval | None:
    """The exact interval for `n_hits` of `n`: never below the stated coverage, so wider than Wilson's.

    Clopper and Pearson, Biometrika 26 (1934) 404.

    >>> [round(bound, 4) for bound in clopper_pearson(2, 100)]
    [0.0024, 0.0704]
    """
    _check(n_hits, n, confidence)
    if n == 0:
        return None
    from scipy.special import betaincinv  # 27 MB that the charts and the logging door do without

    tail = (1 - confidence) / 2
    lower = 0.0 if n_hits == 0 else float(betaincinv(n_hits, n - n_hits + 1, tail))
    upper = 1.0 if n_hits == n else float(betaincinv(n_hits + 1, n - n_hits, 1 - tail))
    return Interval(lower, upper)


def clean_sample_size(worst_rate: float, confidence: float = 0.95) -> int:
    """How many items must be free of defects to say "at most `worst_rate` defective" with this confidence.

    >>> clean_sample_size(0.01)
    299
    """
    if not 0 < worst_rate < 1 or not 0 < confidence < 1:
        raise ValueError("rate and confidence lie strictly between 0 and 1")
    return math.ceil(math.log(1 - confidence) / math.log(1 - worst_rate))


def _check(n_hits: int, n: int, confidence: float) -> None:
    if not 0 <= n_hits <= n:
        raise ValueError(f"{n_hits} hits of {n} make no rate")
    if not 0 < confidence < 1:
        raise ValueError("the confidence lies strictly between 0 and 1")

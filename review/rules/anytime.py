"""Evidence that may be looked at every hour: intervals and tests that stay right under continuous peeking. Pure.

A plain 95 % interval, looked at daily, is wrong at some look in 32 % of runs; these are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from review.rules.intervals import Interval

Numbers = npt.NDArray[np.float64]


def confidence_sequence(n_hits: int, n: int, alpha: float = 0.05) -> Interval:
    """{p : ln B(k+1, n-k+1) - k ln p - (n-k) ln(1-p) < ln(1/alpha)}: covers the rate at all looks at once.

    The uniform mixture of Bernoulli likelihood ratios with Ville's inequality. Robbins, Ann. Math. Stat. 41 (1970)
    1397. Without any item it is [0, 1].

    >>> [round(bound, 5) for bound in confidence_sequence(45, 50)]
    [0.71234, 0.98434]
    """
    if not 0 <= n_hits <= n or not 0 < alpha < 1:
        raise ValueError("hits lie between 0 and n, alpha strictly between 0 and 1")
    if n == 0:
        return Interval(0.0, 1.0)
    rate = n_hits / n
    lower = 0.0 if n_hits == 0 else _cross(n_hits, n, alpha, 0.0, rate)
    upper = 1.0 if n_hits == n else _cross(n_hits, n, alpha, 1.0, rate)
    return Interval(lower, upper)


class Layer(NamedTuple):
    """A part of the items, `share` of all of them, from which labels were drawn evenly: `hits` of `n` were right."""

    share: float
    hits: float
    n: float


def stratified_sequence(layers: Sequence[Layer], alpha: float = 0.05) -> Interval:
    """As `confidence_sequence`, for a rate over layers that were looked at with different probabilities.

    Every layer has its own uniform mixture; their product is a martingale whatever the order in which labels come,
    and the interval holds every sum of share x p whose layers together are refused by less than 1/alpha. It is exact:
    no variance is estimated, so labels that happen to agree prove no more than they can. A layer without labels counts
    as anything from 0 to 1. Spertus and Stark, "Sweeter than SUITE" (2022).

    >>> [round(bound, 5) for bound in stratified_sequence([Layer(1.0, 45, 50)])]
    [0.71234, 0.98434]
    """
    if not layers:
        return Interval(0.0, 1.0)
    share, hits, n = (np.array(column, dtype=float) for column in zip(*layers, strict=True))
    lower, upper = stratified_bounds(share, hits, n, alpha)
    return Interval(float(lower), float(upper))


def stratified_bounds(share: Any, hits: Any, n: Any, alpha: float = 0.05) -> tuple[Numbers, Numbers]:
    """`stratified_sequence` of many looks at once: the layers are the first axis, and the shares add up to 1."""
    s, k, m = (np.asarray(one, dtype=float) for one in (share, hits, n))
    if not 0 < alpha < 1 or (k < 0).any() or (k > m).any() or (s < 0).any():
        raise ValueError("hits lie between 0 and n, shares are not negative, alpha lies strictly between 0 and 1")
    s, k, m = np.broadcast_arrays(s.reshape(s.shape + (1,) * (k.ndim - s.ndim)), k, m)
    s = s / s.sum(axis=0)
    twice = [np.stack(pair, axis=-1) for pair in ((s, s), (k, m - k), (m, m))]
    both = _least(twice[0], twice[1], twice[2], alpha)
    return both[..., 0], 1.0 - both[..., 1]


def paired_e_value(n_better: int, n_worse: int) -> float:
    """Evidence that a new version is better than the old one, from the pairs in which exactly one was right.

    e = B(b+1, c+1) 2^(b+c) with b pairs won and c lost: act at e >= 1/alpha, at any look.

    >>> round(paired_e_value(18, 6), 3)
    4.986
    """
    if n_better < 0 or n_worse < 0:
        raise ValueError("counts are not negative")
    return math.exp(_log_beta(n_better + 1, n_worse + 1) + (n_better + n_worse) * math.log(2))


def _least(s: Numbers, k: Numbers, m: Numbers, alpha: float) -> Numbers:
    """The smallest sum of s p over all p that are together refused by less than 1/alpha.

    The refusal is convex in p, so the least sum lies where s p + weight x refusal is least, layer by layer in closed
    form; the weight is found by halving its logarithm.
    """
    constant = _log_gamma(k + 1) + _log_gamma(m - k + 1) - _log_gamma(m + 2)
    low, high = np.full(k.shape[1:], -40.0), np.full(k.shape[1:], 20.0)
    for _ in range(46):
        middle = (low + high) / 2
        p = _least_p(s, k, m, np.exp(middle))
        with np.errstate(divide="ignore", invalid="ignore"):
            refusal = np.where(k > 0, -k * np.log(p), 0.0) - np.where(m > k, (m - k) * np.log1p(-p), 0.0)
        is_refused = (constant + refusal).sum(axis=0) >= -math.log(alpha)
        low, high = np.where(is_refused, middle, low), np.where(is_refused, high, middle)
    found: Numbers = (s * _least_p(s, k, m, np.exp(high))).sum(axis=0)
    return np.clip(found, 0.0, 1.0)


def _least_p(s: Numbers, k: Numbers, m: Numbers, weight: Numbers) -> Numbers:
    """Where s p - weight (k ln p + (m - k) ln(1 - p)) is least: a root of a quadratic, in its stable form."""
    half = s + weight * m
    root = np.sqrt(np.maximum(half**2 - 4 * s * weight * k, 0.0))
    found: Numbers = np.divide(2 * weight * k, half + root, out=np.zeros_like(half), where=half + root > 0)
    return np.minimum(found, 1.0)


def _log_gamma(x: Numbers) -> Numbers:
    """ln Gamma for x >= 1 by Stirling's series nine places up: better than 1e-12, without SciPy."""
    up = x + 9.0
    series = (up - 0.5) * np.log(up) - up + 0.5 * math.log(2 * math.pi)
    series = series + 1 / (12 * up) - 1 / (360 * up**3) + 1 / (1260 * up**5) - 1 / (1680 * up**7)
    product = np.ones_like(up)
    for step in range(9):
        product = product * (x + step)
    found: Numbers = series - np.log(product)
    return found


def _cross(n_hits: int, n: int, alpha: float, outside: float, inside: float) -> float:
    """Where the evidence against p crosses 1/alpha, between a p that is refused and one that is kept; by halving."""
    for _ in range(60):
        middle = (outside + inside) / 2
        if _log_evidence(n_hits, n, middle) < -math.log(alpha):
            inside = middle
        else:
            outside = middle
    return inside


def _log_evidence(n_hits: int, n: int, p: float) -> float:
    hits = n_hits * math.log(p) if n_hits else 0.0
    misses = (n - n_hits) * math.log1p(-p) if n_hits < n else 0.0
    return _log_beta(n_hits + 1, n - n_hits + 1) - hits - misses


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

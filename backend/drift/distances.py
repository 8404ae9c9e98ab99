"""Distances between two samples, from bin counts or from values. Pure: numpy and scipy.special only. Called by
backend.drift.verdicts and on demand by the service.

Counts are arrays whose last axis is the bins, reference first and current second; other axes broadcast, so a whole
grid of windows is one call. A distance of nothing is NaN.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
#: Jeffreys' prior: half a row in every bin, so that a bin that one side lacks gives a finite distance.
PRIOR = 0.5


def shares(counts: npt.ArrayLike) -> Floats:
    """Counts as shares of their sum."""
    values = np.asarray(counts, dtype=np.float64)
    total = values.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(values, total, out=np.full(values.shape, np.nan), where=total > 0))


def smoothed_shares(reference: npt.ArrayLike, current: npt.ArrayLike, prior: float = PRIOR) -> tuple[Floats, Floats]:
    """Shares of both sides with `prior` rows added to each bin that either side uses; other bins stay 0."""
    p, q = np.broadcast_arrays(np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64))
    is_used = (p + q) > 0
    empty = (p.sum(axis=-1, keepdims=True) == 0) | (q.sum(axis=-1, keepdims=True) == 0)
    p, q = (np.where(is_used, side + prior, 0.0) for side in (p, q))
    return tuple(np.where(empty, np.nan, shares(side)) for side in (p, q))  # type: ignore[return-value]


def psi_parts(p: Floats, q: Floats) -> Floats:
    """The part of each bin in the population stability index, (q - p) ln(q / p); bins that both lack give 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = (q - p) * np.log(q / p)
    return np.where((p == 0) & (q == 0), 0.0, parts)


def psi(reference: npt.ArrayLike, current: npt.ArrayLike, *, prior: float = PRIOR) -> Floats:
    """Population stability index: sum (q - p) ln(q / p), infinite without a prior where a bin is empty on one side.

    >>> round(float(psi([120, 230, 310, 190, 100, 50], [90, 180, 300, 230, 130, 70], prior=0)), 6)
    0.043457
    """
    p, q = smoothed_shares(reference, current, prior)
    return np.asarray(psi_parts(p, q).sum(axis=-1))


def kl(p: npt.ArrayLike, q: npt.ArrayLike) -> Floats:
    """Kullback-Leibler divergence of shares, sum p ln(p / q), in nats."""
    left, right = np.broadcast_arrays(np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = left * np.log(left / right)
    return np.asarray(np.where(left == 0, 0.0, parts).sum(axis=-1))


def js_distance(reference: npt.ArrayLike, current: npt.ArrayLike, *, base: float = math.e) -> Floats:
    """Jensen-Shannon distance, sqrt(KL(p, m)/2 + KL(q, m)/2) with m the mean; natural logarithm unless told.

    >>> round(float(js_distance([120, 230, 310, 190, 100, 50], [90, 180, 300, 230, 130, 70])), 6)
    0.073596
    """
    p, q = np.broadcast_arrays(shares(reference), shares(current))
    middle = (p + q) / 2
    divergence = np.maximum((kl(p, middle) + kl(q, middle)) / 2, 0.0)
    return np.asarray(np.sqrt(divergence / math.log(base)))


def hellinger(reference: npt.ArrayLike, current: npt.ArrayLike) -> Floats:
    """Hellinger distance, sqrt(sum (sqrt p - sqrt q)^2 / 2), 0 to 1."""
    gap = np.sqrt(shares(reference)) - np.sqrt(shares(current))
    return np.asarray(np.sqrt((gap * gap).sum(axis=-1) / 2))


def total_variation(reference: npt.ArrayLike, current: npt.ArrayLike) -> Floats:
    """Total variation distance: half the sum of absolute differences of shares."""
    return np.asarray(np.abs(shares(reference) - shares(current)).sum(axis=-1) / 2)


def l_infinity(reference: npt.ArrayLike, current: npt.ArrayLike) -> Floats:
    """The largest absolute difference of shares in one bin."""
    return np.asarray(np.abs(shares(reference) - shares(current)).max(axis=-1))


def cramers_v(chi_square: float, n: float, n_bins: int, *, corrected: bool = False) -> float:
    """Cramer's V of a 2 x n_bins table of n rows; `corrected` takes the bias out (Bergsma 2013).

    >>> round(cramers_v(21.60311, 2000, 6), 6), round(cramers_v(21.60311, 2000, 6, corrected=True), 6)
    (0.103931, 0.091129)
    """
    if n <= 1 or n_bins < 2:
        return math.nan
    phi2 = chi_square / n
    if not corrected:
        return math.sqrt(phi2)
    phi2 = max(0.0, phi2 - (n_bins - 1) / (n - 1))
    rows, columns = 2 - 1 / (n - 1), n_bins - (n_bins - 1) ** 2 / (n - 1)
    smaller = min(rows - 1, columns - 1)
    return math.sqrt(phi2 / smaller) if smaller > 0 else math.nan


def wasserstein(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """First Wasserstein distance of two samples of values: the integral of |F - G|.

    >>> round(wasserstein(range(1, 11), [2, 3, 3, 5, 6, 7, 9, 10, 12, 15]), 6)
    1.7
    """
    x, y = np.sort(np.asarray(reference, dtype=np.float64)), np.sort(np.asarray(current, dtype=np.float64))
    if not len(x) or not len(y):
        return math.nan
    every = np.sort(np.concatenate([x, y]))
    gaps = np.diff(every)
    f = np.searchsorted(x, every[:-1], side="right") / len(x)
    g = np.searchsorted(y, every[:-1], side="right") / len(y)
    return float((np.abs(f - g) * gaps).sum())


def auc(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """The chance that a current value is above a reference value, ties counting half.

    >>> round(auc(range(1, 11), [2, 3, 3, 5, 6, 7, 9, 10, 12, 15]), 6)
    0.61
    """
    x, y = np.sort(np.asarray(reference, dtype=np.float64)), np.asarray(current, dtype=np.float64)
    if not len(x) or not len(y):
        return math.nan
    below, upto = np.searchsorted(x, y, side="left"), np.searchsorted(x, y, side="right")
    return float((below + upto).sum() / (2 * len(x) * len(y)))


def wasserstein_from_bins(edges: Floats, is_step: npt.NDArray[np.bool_], difference: Floats) -> Floats:
    """First Wasserstein distance from the difference of two cumulative shares at ascending edges.

    Between two edges the difference is a straight line, or, where `is_step` (all values of that bin lie on its upper
    edge), constant. What lies beyond the outer edges counts as lying on them, so one wild value cannot rule.
    """
    return _integral(edges, is_step, difference, is_absolute=True)


def mean_shift_from_bins(edges: Floats, is_step: npt.NDArray[np.bool_], difference: Floats) -> Floats:
    """The integral of F - G: how far the current mean lies above the reference's, outer values clipped."""
    return _integral(edges, is_step, difference, is_absolute=False)


def _integral(edges: Floats, is_step: npt.NDArray[np.bool_], difference: Floats, *, is_absolute: bool) -> Floats:
    if len(edges) < 2:
        return np.zeros(difference.shape[:-1])
    widths = np.diff(edges)
    left, right = difference[..., :-1], np.where(is_step, difference[..., :-1], difference[..., 1:])
    area = (left + right) / 2
    if is_absolute:
        total = np.abs(left) + np.abs(right)
        crossed = np.divide(left**2 + right**2, 2 * total, out=np.zeros_like(total), where=total > 0)
        area = np.where(left * right < 0, crossed, np.abs(area))
    return np.asarray((area * widths).sum(axis=-1))

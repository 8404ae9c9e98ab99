"""How surely two samples differ: chi-square, the critical PSI, Benjamini-Hochberg, and the level that a budget of
false alarms allows. Pure. Called by backend.drift.verdicts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from backend.drift import special

Floats = npt.NDArray[np.float64]
#: Bins with fewer expected rows than this are merged: the chi-square distribution is a poor guide below.
MIN_EXPECTED = 5.0
#: Days that a budget of false alarms is for.
MONTH_DAYS = 30.0
#: A level above this is not worth the name of evidence, however few windows are looked at.
MAX_ALPHA = 0.05


def merge_small(
    reference: npt.ArrayLike, current: npt.ArrayLike, min_expected: float = MIN_EXPECTED
) -> tuple[Floats, Floats]:
    """Both sides with one more bin, into which all bins with a small expected count were moved.

    Expected counts are those of a two-sample contingency table. When the merged bin is still too small it swallows
    the smallest of the others. Works on a whole grid of windows (last axis: bins); emptied bins hold 0.
    """
    p, q = np.broadcast_arrays(np.asarray(reference, dtype=np.float64), np.asarray(current, dtype=np.float64))
    n, m = p.sum(axis=-1, keepdims=True), q.sum(axis=-1, keepdims=True)
    pooled = p + q
    factor = np.divide(np.minimum(n, m), n + m, out=np.zeros(n.shape), where=(n + m) > 0)
    is_small = pooled * factor < min_expected
    rest_p, rest_q = (np.where(is_small, side, 0.0).sum(axis=-1, keepdims=True) for side in (p, q))
    p, q = (np.where(is_small, 0.0, side) for side in (p, q))
    rest = (rest_p + rest_q) * factor
    is_short = (rest > 0) & (rest < min_expected)
    smallest = np.argmin(np.where(is_small, np.inf, pooled), axis=-1, keepdims=True)
    is_taken = is_short & (np.arange(p.shape[-1]) == smallest)
    merged_p, merged_q = (
        np.concatenate(
            [np.where(is_taken, 0.0, side), rest_side + np.where(is_taken, side, 0.0).sum(axis=-1, keepdims=True)],
            axis=-1,
        )
        for side, rest_side in ((p, rest_p), (q, rest_q))
    )
    return merged_p, merged_q


def chi_square_two_sample(
    reference: npt.ArrayLike, current: npt.ArrayLike, *, min_expected: float = MIN_EXPECTED
) -> tuple[Floats, Floats, Floats]:
    """Pearson's statistic of the 2 x K table after merging, its degrees of freedom and its p-value.

    >>> [round(float(x), 5) for x in chi_square_two_sample([120, 230, 310, 190, 100, 50], [90, 180, 300, 230, 130, 70])]
    [21.60311, 5.0, 0.00062]
    """
    p, q = merge_small(reference, current, min_expected)
    statistic, df = _pearson(p, q), _freedom(p, q)
    return statistic, df, _tail(df, statistic)


def two_sample_p(reference: npt.ArrayLike, current: npt.ArrayLike) -> tuple[Floats, Floats]:
    """The p-value that verdicts rest on, and its degrees of freedom: the more cautious of Pearson's and the
    likelihood-ratio statistic on merged bins.

    At the levels that a budget of one false alarm a month asks for (1e-4 and below) Pearson's statistic alone is too
    eager where a rare bin fills, the other one where a rare bin empties; the smaller of the two is neither.
    """
    p, q = merge_small(reference, current)
    df = _freedom(p, q)
    return _tail(df, np.minimum(_pearson(p, q), _likelihood_ratio(p, q))), df


def psi_critical(n_bins: int | Floats, alpha: float, n: npt.ArrayLike, m: npt.ArrayLike) -> Floats:
    """The PSI that samples of n and m rows of one distribution exceed with chance alpha: chi2(B-1, 1-alpha)(1/n+1/m).

    >>> round(float(psi_critical(6, 0.05, 1000, 1000)), 6)
    0.022141
    """
    df = np.maximum(np.asarray(n_bins, dtype=np.float64) - 1, 1)
    return np.asarray(special.chdtri(df, alpha) * noise(n, m))


def psi_p_value(value: npt.ArrayLike, n_bins: int | Floats, n: npt.ArrayLike, m: npt.ArrayLike) -> Floats:
    """The inverse of `psi_critical`: the chance of a PSI this large without any drift."""
    df = np.maximum(np.asarray(n_bins, dtype=np.float64) - 1, 1)
    return np.asarray(special.chdtrc(df, np.asarray(value) / noise(n, m)))


def noise(n: npt.ArrayLike, m: npt.ArrayLike) -> Floats:
    """1/n + 1/m, infinite when a side is empty."""
    with np.errstate(divide="ignore"):
        return np.asarray(1 / np.asarray(n, dtype=np.float64) + 1 / np.asarray(m, dtype=np.float64))


def benjamini_hochberg(p_values: npt.ArrayLike) -> Floats:
    """Adjusted p-values along the last axis; NaN (nothing was tested) stays NaN and does not count.

    Rejecting those at or below alpha keeps the expected share of false rejections at alpha, and with nothing to find
    the chance of any rejection too.

    >>> benjamini_hochberg([0.001, 0.008, 0.039, 0.041]).round(4).tolist()
    [0.004, 0.016, 0.041, 0.041]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, axis=-1, kind="stable")  # NaN comes last
    ordered = np.take_along_axis(p, order, axis=-1)
    n_tests = np.isfinite(p).sum(axis=-1, keepdims=True)
    raised = ordered * n_tests / np.arange(1, p.shape[-1] + 1)
    raised = np.where(np.isnan(raised), np.inf, raised)
    smallest = np.minimum.accumulate(raised[..., ::-1], axis=-1)[..., ::-1]
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(smallest, 1.0), axis=-1)
    return np.where(np.isnan(p), np.nan, adjusted)


def alpha_of_budget(alarms_per_month: float, windows_per_month: float) -> float:
    """The level of one window that spends a month's budget of false alarms over its windows, at most MAX_ALPHA.

    >>> round(alpha_of_budget(1, 720), 6)
    0.001389
    """
    return min(MAX_ALPHA, alarms_per_month / max(1.0, windows_per_month))


def _pearson(p: Floats, q: Floats) -> Floats:
    n, m = p.sum(axis=-1, keepdims=True), q.sum(axis=-1, keepdims=True)
    pooled = p + q
    difference = p * np.sqrt(np.divide(m, n, out=np.zeros_like(n), where=n > 0))
    difference = difference - q * np.sqrt(np.divide(n, m, out=np.zeros_like(m), where=m > 0))
    parts = np.divide(difference**2, pooled, out=np.zeros_like(pooled), where=pooled > 0)
    return np.asarray(parts.sum(axis=-1))


def _likelihood_ratio(p: Floats, q: Floats) -> Floats:
    n, m = p.sum(axis=-1, keepdims=True), q.sum(axis=-1, keepdims=True)
    pooled, total = p + q, n + m
    sides = []
    for side, size in ((p, n), (q, m)):
        expected = pooled * np.divide(size, total, out=np.zeros_like(size), where=total > 0)
        sides.append(special.xlogy(side, np.divide(side, expected, out=np.ones_like(side), where=expected > 0)))
    return np.asarray(np.maximum(2 * (sides[0] + sides[1]).sum(axis=-1), 0.0))


def _freedom(p: Floats, q: Floats) -> Floats:
    return np.asarray(np.maximum(((p + q) > 0).sum(axis=-1) - 1, 0), dtype=np.float64)


def _tail(df: Floats, statistic: Floats) -> Floats:
    return np.asarray(np.where(df > 0, special.chdtrc(np.maximum(df, 1), statistic), 1.0))

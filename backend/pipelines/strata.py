"""Groups of traces that are alike in what a step was given, found by a small regression tree. Pure.

Steps are compared within such groups, so that a step is not blamed for getting other inputs than before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Values of a feature are told apart by this many quantiles; a missing value is a place of its own.
N_BINS = 32


@dataclass(frozen=True, slots=True)
class _Split:
    gain: float
    group: int
    feature: int
    threshold: int


def bin_features(features: Reals, n_bins: int = N_BINS) -> Ints:
    """Features (traces x features, NaN where missing) as ranks 1..n_bins by their quantiles; 0 where missing."""
    binned = np.zeros(features.shape, dtype=np.int64)
    for column in range(features.shape[1]):
        values = features[:, column]
        known = np.isfinite(values)
        if known.any():
            edges = np.unique(np.quantile(values[known], np.arange(1, n_bins) / n_bins))
            binned[known, column] = 1 + np.searchsorted(edges, values[known], side="left")
    return binned


def grow(
    binned: Ints,
    target: Reals,
    weight: Reals,
    *,
    groups: Ints | None = None,
    n_groups: int = 12,
    min_size: int = 25,
    min_gain: float = 0.0,
) -> Ints:
    """The group (0..n-1) of every trace: best-first splits that leave the least variance of `target`.

    `binned` comes from `bin_features`; `groups` are split further. A group is never smaller than `min_size` traces,
    and a split takes away at least `min_gain` times the variance of one trace: for a split that means nothing this is
    about chi-square with one degree of freedom.
    """
    made = np.zeros(len(target), dtype=np.int64) if groups is None else groups.copy()
    spread = float(np.average((target - np.average(target, weights=weight)) ** 2, weights=weight))
    least = max(min_gain * spread, 1e-9)
    open_splits = {
        group: _best_split(binned, target, weight, made, group, min_size) for group in range(int(made.max()) + 1)
    }
    while len(open_splits) < n_groups:
        good = [split for split in open_splits.values() if split is not None and split.gain > least]
        if not good:
            break
        best = max(good, key=lambda split: split.gain)
        new = len(open_splits)
        made[(made == best.group) & (binned[:, best.feature] > best.threshold)] = new
        for group in (best.group, new):
            open_splits[group] = _best_split(binned, target, weight, made, group, min_size)
    return made


def _best_split(binned: Ints, target: Reals, weight: Reals, groups: Ints, group: int, min_size: int) -> _Split | None:
    rows = np.flatnonzero(groups == group)
    n_places = N_BINS + 1
    if len(rows) < 2 * min_size or binned.shape[1] == 0:
        return None
    offsets = np.arange(binned.shape[1]) * n_places
    places = (binned[rows] + offsets).ravel()
    size = binned.shape[1] * n_places
    shape = (binned.shape[1], n_places)
    repeated = np.repeat(weight[rows], binned.shape[1])
    summed = np.repeat(weight[rows] * target[rows], binned.shape[1])
    counts = np.bincount(places, minlength=size).reshape(shape).cumsum(axis=1)[:, :-1]
    weights = np.bincount(places, repeated, minlength=size).reshape(shape).cumsum(axis=1)
    sums = np.bincount(places, summed, minlength=size).reshape(shape).cumsum(axis=1)
    total, whole = weights[:, -1:], sums[:, -1:]
    left, left_sum = weights[:, :-1], sums[:, :-1]
    right, right_sum = total - left, whole - left_sum
    is_allowed = (counts >= min_size) & (len(rows) - counts >= min_size) & (left > 0) & (right > 0)
    safe_left, safe_right = np.where(is_allowed, left, 1.0), np.where(is_allowed, right, 1.0)
    gain = left_sum**2 / safe_left + right_sum**2 / safe_right - whole**2 / np.maximum(total, 1e-12)
    gain = np.where(is_allowed, gain, -1.0)
    feature, threshold = np.unravel_index(int(np.argmax(gain)), gain.shape)
    best = float(gain[feature, threshold])
    return _Split(best, group, int(feature), int(threshold)) if best > 0 else None

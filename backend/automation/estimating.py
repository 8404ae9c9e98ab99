"""Estimates shown beside the bounds that decide: every estimator on the same labels, cross-fitted guesses. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from backend.performance.calibration import Calibration, fit_isotonic
from review.rules import estimation
from review.rules.estimation import Estimate, Guesses, Stratum
from review.rules.evidence import BINS
from review.rules.sampling import unit

#: Fewer labels than this give no guesses: a calibration on them would only repeat their noise.
MIN_GUESSED = 100
FOLDS = 5
_FIELDS = ("method", "value", "lower", "upper", "n_labels", "n_items", "reason")


def estimates_of(items: Mapping[tuple[bool, int], int], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Accuracy by every estimator that applies, Wilson on the evenly drawn part last; JSON, rounded.

    Guesses come from the labels themselves, so each is made by a calibration that has not seen its own label
    (cross-fitting; Zrnic and Candes, "Cross-prediction-powered inference", PNAS 121 (2024)).
    """
    labelled = [row for row in rows if row["is_right"] is not None]
    n_items = sum(items.values())
    if not labelled:
        return []
    y = np.array([float(row["is_right"]) for row in labelled])
    pi = np.array([row["pi"] for row in labelled])
    lowest = float(pi.min())
    even = np.array([unit(0, f"even:{row['subject']}") < lowest / row["pi"] for row in labelled])
    found = [_stratified(items, rows), estimation.hajek(y, pi, n_items)]
    guessed = _guesses(items, labelled, y, pi)
    if guessed is not None:
        own, everything = guessed
        found.insert(0, estimation.active_hajek(y, pi, own, everything))
        found.append(estimation.ppi_plus_plus(y[even], own[even], everything))
    found.append(estimation.wilson_of_random(y[even]))
    return [_written(one) for one in found if one.value is not None]


def _stratified(items: Mapping[tuple[bool, int], int], rows: Sequence[Mapping[str, Any]]) -> Estimate:
    """Strata are the items that had the same probability of being drawn, as in the bounds that decide."""
    n_items, drawn = sum(items.values()), {float(row["pi"]): 0 for row in rows}
    for row in rows:
        drawn[row["pi"]] += 1
    sure = drawn.pop(1.0, 0)
    worth = {pi: n / pi for pi, n in drawn.items()}
    rest = max(0, n_items - sure)
    sizes = {1.0: sure} | {pi: round(rest * one / sum(worth.values())) for pi, one in worth.items()}
    labels = {pi: [float(r["is_right"]) for r in rows if r["pi"] == pi and r["is_right"] is not None] for pi in sizes}
    return estimation.stratified([Stratum(max(sizes[pi], len(labels[pi])), labels[pi]) for pi in sorted(sizes)])


def _guesses(
    items: Mapping[tuple[bool, int], int], labelled: Sequence[Mapping[str, Any]], y: Any, pi: Any
) -> tuple[Any, Guesses] | None:
    """Out-of-fold guesses of the labelled answers, and the sums of the folds' mean guess over all answers."""
    bins = np.array([row["bin"] for row in labelled], dtype=float)
    if len(labelled) < MIN_GUESSED or (bins < 0).any() or any(one_bin < 0 for _, one_bin in items):
        return None
    fold = np.array([int(unit(0, f"fold:{row['subject']}") * FOLDS) for row in labelled])
    levels = np.array(sorted({one_bin for _, one_bin in items}), dtype=float)
    amount = np.zeros(levels.size)
    for (_, one_bin), n in items.items():
        amount[int(np.searchsorted(levels, one_bin))] += n
    own, everywhere = np.zeros(y.size), np.zeros(levels.size)
    for one in range(FOLDS):
        outside = fold != one
        fitted = calibrate(bins[outside], y[outside], 1 / pi[outside])
        if fitted is None:
            return None
        own[~outside] = fitted.chance(bins[~outside] / BINS)
        everywhere += fitted.chance(levels / BINS) / FOLDS
    sums = Guesses(int(amount.sum()), float((amount * everywhere).sum()), float((amount * everywhere**2).sum()))
    return own, sums


def calibrate(bins: Any, right: Any, weight: Any) -> Calibration | None:
    """The weighed share of right answers as a rising function of the score, from one entry per label."""
    place = np.asarray(bins, dtype=int)
    hits = np.bincount(place, weights=np.asarray(right, dtype=float) * weight, minlength=BINS + 1)
    counts = np.bincount(place, weights=weight, minlength=BINS + 1)
    return fit_isotonic(np.arange(BINS + 1) / BINS, hits, counts)


def _written(one: Estimate) -> dict[str, Any]:
    found = {name: value for name, value in asdict(one).items() if name in _FIELDS}
    found = {name: round(value, 6) if isinstance(value, float) else value for name, value in found.items()}
    return found | {"warnings": list(one.warnings)}

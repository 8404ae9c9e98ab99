"""The line from few reviews: every answer that people judged blind, weighed by the chance of being chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from backend.performance.calibrating import Calibrated, guess_right
from backend.performance.metrics import MetricName, Value
from backend.performance.schemas import EstimateOut
from db.analytics.outcomes import SCORE_STEPS, Joined
from review.rules import estimation
from review.rules.estimation import Estimate, Guesses, Stratum
from review.rules.sampling import unit

#: Fewer reviewed answers in a bucket give no point.
MIN_REVIEWED = 10
N_STRATA = 5
_METHODS = ("active_hajek", "hajek", "stratified", "ppi", "wilson")
Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


class _Reviewed:
    """The reviewed answers as arrays: bucket, right or not, chance of being chosen, guess, and the even part."""

    def __init__(self, joined: Joined, calibrated: Calibrated) -> None:
        rows = joined.reviewed().to_pylist()
        positives = joined.scoring.positives
        self.bucket = np.array([row["bucket"] for row in rows], dtype=int)
        self.right = np.array([float(row["label"] == row["said"]) for row in rows])
        self.says = np.array([row["label"] in positives for row in rows], dtype=bool)
        self.is_positive = np.array([row["said"] in positives for row in rows], dtype=bool)
        self.pi = np.array([row["pi"] for row in rows], dtype=float)
        score = "p" if calibrated.kind == "positive" else "score"
        scores = np.array([np.nan if row[score] is None else row[score] for row in rows], dtype=float)
        self.guess = _guess(calibrated, scores, self.says)
        lowest = float(self.pi.min()) if rows else 1.0
        # Every item has its fixed lot: thinned to the smallest chance, what is left was chosen evenly.
        self.is_even = np.array([unit(0, f"even:{row['subject']}") < lowest / row["pi"] for row in rows], dtype=bool)


class _Everything:
    """The guesses of all answers, counted by bucket and score."""

    def __init__(self, joined: Joined, calibrated: Calibrated) -> None:
        table = joined.histogram(calibrated.kind)
        self.bucket = np.array(table["bucket"].to_pylist(), dtype=int)
        self.counts = np.array(table["n"].to_pylist(), dtype=float)
        steps = np.array(table["step"].to_pylist(), dtype=float)
        says = np.array(table["says_positive"].to_pylist(), dtype=object).astype(bool)
        self.guess = _guess(calibrated, np.where(steps < 0, np.nan, steps / SCORE_STEPS), says)
        known = ~np.isnan(self.guess)
        self.bucket, self.counts, self.guess = self.bucket[known], self.counts[known], self.guess[known]

    def sums(self, inside: Flags) -> Guesses:
        n, f = self.counts[inside], self.guess[inside]
        return Guesses(int(n.sum()), float((n * f).sum()), float((n * f * f).sum()))


def review_lines(
    joined: Joined, metric: MetricName, calibrated: Calibrated
) -> tuple[dict[int, Value], list[EstimateOut]]:
    """The estimate per bucket, and over the whole window by every method, side by side."""
    if metric not in ("accuracy", "escape_rate", "overkill_rate"):
        return {}, []
    reviewed = _Reviewed(joined, calibrated)
    if not reviewed.pi.size:
        return {}, []
    if metric != "accuracy":
        return _shares(reviewed, metric)
    everything = _Everything(joined, calibrated)
    lines = {}
    for bucket in np.unique(reviewed.bucket).tolist():
        chosen = reviewed.bucket == bucket
        if chosen.sum() >= MIN_REVIEWED:
            lines[int(bucket)] = _value(_active(reviewed, chosen, everything.sums(everything.bucket == bucket)))
        else:
            lines[int(bucket)] = Value(None, n=int(chosen.sum()), reason="few_reviews")
    return lines, [_out(one) for one in _all_methods(reviewed, everything)]


def _shares(reviewed: _Reviewed, metric: MetricName) -> tuple[dict[int, Value], list[EstimateOut]]:
    """Escape and overkill: the share of hits among positives, or among negatives."""
    of = reviewed.is_positive if metric == "escape_rate" else ~reviewed.is_positive
    hit = (reviewed.says != (metric == "escape_rate")).astype(float)
    lines = {}
    for bucket in np.unique(reviewed.bucket).tolist():
        chosen = of & (reviewed.bucket == bucket)
        if chosen.sum() >= MIN_REVIEWED:
            lines[int(bucket)] = _value(estimation.hajek(hit[chosen], reviewed.pi[chosen], 0))
        else:
            lines[int(bucket)] = Value(None, n=int(chosen.sum()), reason="few_reviews")
    even = of & reviewed.is_even
    return lines, [
        _out(estimation.hajek(hit[of], reviewed.pi[of], 0)),
        _out(estimation.wilson_of_random(hit[even])),
    ]


def _all_methods(reviewed: _Reviewed, everything: _Everything) -> list[Estimate]:
    chosen = np.ones(reviewed.pi.size, dtype=bool)
    total = everything.sums(np.ones(everything.bucket.size, dtype=bool))
    even = reviewed.is_even
    active = _active(reviewed, chosen, total)
    found = {
        active.method: active,
        "hajek": estimation.hajek(reviewed.right, reviewed.pi, 0),
        "wilson": estimation.wilson_of_random(reviewed.right[even]),
    }
    scored = even & ~np.isnan(reviewed.guess)
    if total.n and scored.sum():
        found["ppi"] = estimation.ppi_plus_plus(reviewed.right[scored], reviewed.guess[scored], total)
        found["stratified"] = _post_stratified(reviewed, scored, everything)
    return [found[name] for name in _METHODS if name in found]


def _active(reviewed: _Reviewed, chosen: Flags, total: Guesses) -> Estimate:
    """With guesses where the scores give some; without, every item has the same guess, which is Hajek."""
    scored = chosen & ~np.isnan(reviewed.guess)
    if not total.n or scored.sum() < chosen.sum():
        return estimation.hajek(reviewed.right[chosen], reviewed.pi[chosen], 0)
    return estimation.active_hajek(reviewed.right[chosen], reviewed.pi[chosen], reviewed.guess[chosen], total)


def _post_stratified(reviewed: _Reviewed, scored: Flags, everything: _Everything) -> Estimate:
    """Strata of equal size by guess; a stratum that the lot left without a label joins its neighbour."""
    order = np.argsort(everything.guess, kind="stable")
    running = np.cumsum(everything.counts[order]) / everything.counts.sum()
    places = [int(np.searchsorted(running, share)) for share in np.arange(1, N_STRATA) / N_STRATA]
    edges = np.unique(everything.guess[order][places])
    own, theirs = np.digitize(reviewed.guess[scored], edges), np.digitize(everything.guess, edges)
    strata: list[Stratum] = []
    waiting = 0
    for stratum in range(len(edges) + 1):
        size = int(everything.counts[theirs == stratum].sum()) + waiting
        y = reviewed.right[scored][own == stratum]
        waiting = 0 if y.size else size
        if y.size:
            strata.append(Stratum(size, y.tolist()))
    if waiting and strata:
        strata[-1] = Stratum(strata[-1].n_items + waiting, strata[-1].y)
    return estimation.stratified(strata)


def _guess(calibrated: Calibrated, scores: Numbers, says: Flags) -> Numbers:
    if calibrated.function is None:
        return np.full(scores.size, np.nan)
    chance = calibrated.function.chance(np.where(np.isnan(scores), 0.0, scores))
    guess: Numbers = np.asarray(guess_right(calibrated, chance, says), dtype=float)
    return np.where(np.isnan(scores), np.nan, guess)


def _value(one: Estimate) -> Value:
    return Value(one.value, one.lower, one.upper, one.n_labels, one.reason)


def _out(one: Estimate) -> EstimateOut:
    fields: dict[str, Any] = {name: getattr(one, name) for name in EstimateOut.model_fields if name != "warnings"}
    return EstimateOut(**fields, warnings=list(one.warnings))

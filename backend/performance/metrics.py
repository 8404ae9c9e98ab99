"""Realised performance from counts of labelled answers: accuracy, escape, overkill, AUC, numeric errors. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from backend.performance.scoring import Auc, auc_of_counts
from review.rules.intervals import wilson_of_share

MetricName = Literal["accuracy", "escape_rate", "overkill_rate", "auc", "mae", "bias"]
Unit = Literal["share", "score", "number"]
Bad = Literal["up", "down", "none"]
_Z95 = 1.959963984540054

NO_LABELS = "no_labels"
ONE_CLASS = "one_class"


@dataclass(frozen=True, slots=True)
class Metric:
    """A way to say how good answers are. `bad` is the direction in which it gets worse."""

    name: MetricName
    unit: Unit
    bad: Bad


METRICS: dict[MetricName, Metric] = {
    "accuracy": Metric("accuracy", "share", "down"),
    "escape_rate": Metric("escape_rate", "share", "up"),
    "overkill_rate": Metric("overkill_rate", "share", "up"),
    "auc": Metric("auc", "score", "down"),
    "mae": Metric("mae", "number", "up"),
    "bias": Metric("bias", "number", "none"),
}


def metrics_of(output_kind: str, positives: Sequence[str]) -> list[MetricName]:
    """The metrics that make sense for a model: errors for numbers; the others need labels to call positive.

    >>> metrics_of("number", [])
    ['mae', 'bias']
    """
    if output_kind == "number":
        return ["mae", "bias"]
    return ["accuracy", "escape_rate", "overkill_rate", "auc"] if positives else ["accuracy"]


@dataclass(frozen=True, slots=True)
class Value:
    """A metric with its 95 % interval from `n` labelled answers, or None with the reason."""

    value: float | None
    lower: float | None = None
    upper: float | None = None
    n: int = 0
    reason: str | None = None


class Cell(NamedTuple):
    """Labelled answers with one answer and one truth: how many, their weights, their squared weights."""

    label: str
    truth: str
    n: int
    w: float
    ww: float


class ErrorSums(NamedTuple):
    """Sums over labelled numbers: rows, weights, squared weights, weighted error, squared error, absolute error."""

    n: int
    w: float
    ww: float
    we: float
    wee: float
    wa: float


def of_cells(metric: MetricName, cells: Iterable[Cell], positives: Sequence[str]) -> Value:
    """Accuracy, escape (positives passed, of all positives) or overkill (negatives stopped, of all negatives)."""
    chosen = [(one, _hit(metric, one, positives)) for one in cells if _counts(metric, one, positives)]
    n = sum(one.n for one, _ in chosen)
    total, squares = sum(one.w for one, _ in chosen), sum(one.ww for one, _ in chosen)
    if not n or total <= 0:
        return Value(None, n=n, reason=NO_LABELS if metric == "accuracy" else ONE_CLASS)
    share = min(1.0, sum(one.w for one, is_hit in chosen if is_hit) / total)
    bounds = wilson_of_share(share, total * total / squares)
    return Value(share, bounds.lower, bounds.upper, n)


def of_scores(positives: Sequence[float], negatives: Sequence[float], n: int) -> Value:
    """AUC from the labelled answers per distinct score, scores ascending."""
    found: Auc = auc_of_counts(positives, negatives)
    return Value(found.value, found.lower, found.upper, n, found.reason)


def of_errors(metric: MetricName, sums: ErrorSums) -> Value:
    """Mean absolute error, or the mean error (bias), with a normal interval."""
    if not sums.n or sums.w <= 0:
        return Value(None, reason=NO_LABELS)
    mean = (sums.wa if metric == "mae" else sums.we) / sums.w
    if sums.n < 2:
        return Value(mean, n=sums.n)
    effective = sums.w * sums.w / sums.ww
    spread = max(0.0, sums.wee / sums.w - mean * mean)
    half = _Z95 * math.sqrt(spread / max(1.0, effective - 1))
    return Value(mean, mean - half, mean + half, sums.n)


def _counts(metric: MetricName, one: Cell, positives: Sequence[str]) -> bool:
    if metric == "accuracy":
        return True
    return (one.truth in positives) == (metric == "escape_rate")


def _hit(metric: MetricName, one: Cell, positives: Sequence[str]) -> bool:
    if metric == "accuracy":
        return one.label == one.truth
    return (one.label in positives) == (metric == "overkill_rate")

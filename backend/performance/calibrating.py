"""The line without labels: calibrates confidence on labelled predictions and lets it expect the rest (CBPE)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from backend.performance.calibration import MIN_CALIBRATION, Calibration, expect, fit_isotonic
from backend.performance.metrics import MetricName, Value
from db.analytics.outcomes import SCORE_STEPS, Joined, Outcomes, Question, Scoring

#: The newest labelled predictions that a calibration is fitted on.
MAX_CALIBRATION = 50_000
BLIND = "blind_to_concept_drift"
IN_SAMPLE = "in_sample"
#: Answers of a model with two labels whose own confidence is below one half: the score may mean something else.
LOW_CONFIDENCES = "low_confidences"
_MANY = 0.2
#: A calibration on fewer labels than this is told to be rough.
FEW_CALIBRATION = "few_calibration"
_FEW = 1000
#: More of the window's scores than `_OUTSIDE` lie where the calibration has seen none.
OUTSIDE_CALIBRATION = "outside_calibration"
_OUTSIDE = 0.05
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Calibrated:
    """A calibration with where it comes from, or the reason why there is none."""

    kind: Literal["positive", "confidence"]
    function: Calibration | None = None
    n: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    is_in_sample: bool = False
    reason: str | None = None
    warnings: tuple[str, ...] = ()


def calibrate(
    outcomes: Outcomes, question: Question, metric: MetricName, reference: tuple[datetime, datetime] | None
) -> Calibrated:
    """Fit on labelled predictions of the reference, or of the time before the window, or else of the window itself."""
    is_about_positives = metric != "accuracy" or _is_binary(question)
    kind: Literal["positive", "confidence"] = "positive" if is_about_positives else "confidence"
    if metric in ("mae", "bias"):
        return Calibrated(kind, reason="not_for_numbers")
    ranges = [reference] if reference else [(_BEGINNING, question.window.start), None]
    for span in ranges:
        start, end = span or (question.window.start, question.window.end)
        with outcomes.open(question, start=start, end=end) as joined:
            table = joined.calibration(kind, MAX_CALIBRATION)
        n = sum(table["n_rows"].to_pylist())
        if n < MIN_CALIBRATION:
            continue
        columns = (np.array(table["step"].to_pylist()) / SCORE_STEPS, table["hits"].to_numpy(), table["n"].to_numpy())
        in_sample = span is None
        return Calibrated(
            kind,
            fit_isotonic(*columns),
            n,
            min(table["first_at"].to_pylist()).astimezone(UTC),
            max(table["last_at"].to_pylist()).astimezone(UTC),
            in_sample,
            warnings=(BLIND, *([IN_SAMPLE] if in_sample else []), *([FEW_CALIBRATION] if n < _FEW else [])),
        )
    return Calibrated(kind, reason="too_few_labels")


def expected_lines(joined: Joined, metric: MetricName, calibrated: Calibrated) -> tuple[dict[int, Value], Value]:
    """What the calibrated scores expect per bucket and over everything."""
    if metric in ("mae", "bias"):
        return {}, Value(None, reason="not_for_numbers")
    table = joined.histogram(calibrated.kind)
    steps, counts = (np.array(table[name].to_pylist(), dtype=float) for name in ("step", "n"))
    if not steps.size:
        reason = "no_scores" if calibrated.kind == "confidence" or _is_binary(joined.question) else "no_positive_scores"
        return {}, Value(None, reason=reason)
    if (steps < 0).any():
        return {}, Value(None, reason="scores_outside")
    if calibrated.function is None:
        return {}, Value(None, reason=calibrated.reason)
    says = np.array(table["says_positive"].to_pylist(), dtype=object).astype(bool)
    chance = calibrated.function.chance(steps / SCORE_STEPS)
    buckets = np.array(table["bucket"].to_pylist())
    lines = {}
    for bucket in np.unique(buckets).tolist():
        inside = buckets == bucket
        lines[int(bucket)] = _expected(metric, calibrated, chance[inside], counts[inside], says[inside])
    order = np.argsort(steps, kind="stable")
    return lines, _expected(metric, calibrated, chance[order], counts[order], says[order])


def warnings_of(joined: Joined, calibrated: Calibrated) -> tuple[str, ...]:
    """The calibration's warnings, and whether the window's scores fit it."""
    found = list(calibrated.warnings)
    if calibrated.function is not None:
        steps, counts = _steps(joined, calibrated.kind)
        scores = steps / SCORE_STEPS
        low, high = calibrated.function.scores[0], calibrated.function.scores[-1]
        outside = float(counts[(scores < low) | (scores > high)].sum())
        found += [OUTSIDE_CALIBRATION] if outside > _OUTSIDE * counts.sum() else []
    if joined.scoring.meaning == "confidence" and joined.scoring.is_binary:
        steps, counts = _steps(joined, "confidence")
        doubtful = float(counts[(steps >= 0) & (steps < SCORE_STEPS / 2)].sum())
        found += [LOW_CONFIDENCES] if doubtful > _MANY * counts.sum() else []
    return tuple(found)


def _steps(joined: Joined, kind: Literal["positive", "confidence"]) -> tuple[Any, Any]:
    table = joined.histogram(kind)
    steps, counts = (np.array(table[name].to_pylist(), dtype=float) for name in ("step", "n"))
    return steps, counts


def guess_right(calibrated: Calibrated, positive_chance: Any, says_positive: Any) -> Any:
    """The chance that an answer is right, from the calibrated chance of its score."""
    if calibrated.kind == "confidence":
        return positive_chance
    return np.where(says_positive, positive_chance, 1 - positive_chance)


def _expected(metric: MetricName, calibrated: Calibrated, chance: Any, counts: Any, says: Any) -> Value:
    wanted: Any = metric
    found = expect(wanted, chance, counts, says if calibrated.kind == "positive" else None)
    return Value(found.value, found.lower, found.upper, int(counts.sum()), found.reason)


def _is_binary(question: Question) -> bool:
    scoring = Scoring.of(question.model)
    return scoring.is_binary and bool(scoring.positives)

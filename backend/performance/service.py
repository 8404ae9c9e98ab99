"""Performance over time: asks what became known of the predictions, and turns the counts into three lines.

No SQL, no HTTP. Realised values come from labels, reviewed ones from few reviews, expected ones from the scores alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from backend.errors import Invalid
from backend.performance import metrics, schemas
from backend.performance.calibrating import Calibrated, calibrate, expected_lines, warnings_of
from backend.performance.metrics import Cell, ErrorSums, Metric, MetricName, Value
from backend.performance.reviewing import review_lines
from db.analytics.outcomes import Joined, Outcomes, Question, Scoring, check_conditions
from db.analytics.windows import UnusableWindow, make_window
from db.eventlog.filters import BadFilter, Filter
from db.repositories.truth_history import Clock

#: Points whose history changed within this time are marked, unless told otherwise.
REVISED_WITHIN = timedelta(days=7)
#: Points whose labels stand for a smaller share of their predictions are greyed, unless told otherwise.
MIN_COVERAGE = 0.05


@dataclass(frozen=True)
class Wish:
    """What is asked beside the window: metric, filters, the moment whose knowledge counts, and how it is shown."""

    metric: MetricName | None = None
    version: str | None = None
    segments: Mapping[str, str] | None = None
    where: Sequence[Filter] = ()
    as_of: datetime | None = None
    clock: Clock = "logged"
    revised_since: datetime | None = None
    min_coverage: float = MIN_COVERAGE
    reference: tuple[datetime, datetime] | None = None


def ask(model: Any, start: datetime, end: datetime, grain_s: int | None, wish: Wish) -> Question:
    """The question in checked form; Invalid when it makes no sense."""
    try:
        window = make_window(start, end, grain_s)
    except UnusableWindow as error:
        raise Invalid(str(error)) from error
    segments = dict(wish.segments or {})
    if unknown := set(segments) - set(model.segment_keys or ()):
        raise Invalid(f"unknown segment key {sorted(unknown)[0]!r}", details={"known": list(model.segment_keys or ())})
    question = Question(model, window, wish.version, segments, tuple(wish.where), wish.as_of, wish.clock)
    try:
        check_conditions(question)
    except BadFilter as error:
        raise Invalid(str(error)) from error
    return question


def check_reference(start: datetime, end: datetime) -> None:
    """Invalid when a reference cannot be one."""
    if end <= start:
        raise Invalid("the reference ends before it begins")


def choose_metric(model: Any, wished: MetricName | None) -> Metric:
    """The metric asked for, or the model's first; Invalid when the model's outputs do not have it."""
    names = metrics.metrics_of(model.output_kind, Scoring.of(model).positives)
    if wished is not None and wished not in names:
        raise Invalid(f"{wished} is not a metric of this model", details={"metrics": list(names)})
    return metrics.METRICS[wished or names[0]]


def measure(outcomes: Outcomes, question: Question, wish: Wish, now: datetime) -> schemas.Performance:
    """The three lines, coverage, lag and what was revised."""
    metric = choose_metric(question.model, wish.metric)
    as_of = question.as_of or now
    since = wish.revised_since or as_of - REVISED_WITHIN
    calibrated = calibrate(outcomes, question, metric.name, wish.reference)
    with outcomes.open(question) as joined:
        coverage = _by_bucket(joined.coverage())
        lag = joined.lag()
        values, total = realise(joined, metric.name)
        expected, expected_total = expected_lines(joined, metric.name, calibrated)
        reviewed, estimates = review_lines(joined, metric.name, calibrated)
        warnings = warnings_of(joined, calibrated)
    if not any(row["n_labels"] for row in coverage.values()):
        total = Value(None, reason=metrics.NO_LABELS)
    before = _before(outcomes, replace(question, as_of=since), metric.name)
    points = []
    for number, at in enumerate(question.window.bucket_starts):
        row = coverage.get(number, {})
        value = values.get(number, Value(None, reason=metrics.NO_LABELS))
        is_over = at + timedelta(seconds=question.window.grain_s) <= since
        points.append(
            schemas.Point(
                bucket_at=at,
                n=int(row.get("n") or 0),
                n_labels=int(row.get("n_labels") or 0),
                coverage=_share(row.get("n_labels"), row.get("n")),
                is_thin=(_share(row.get("w"), row.get("n")) or 0.0) < wish.min_coverage,
                lag_p50_s=row.get("lag_p50_s"),
                lag_p90_s=row.get("lag_p90_s"),
                realised=_figure(value),
                reviewed=_figure(reviewed.get(number, Value(None, reason=metrics.NO_LABELS))),
                expected=_figure(expected.get(number, Value(None, reason="no_scores"))),
                before=_revised(before.get(number), row, value) if is_over else None,
            )
        )
    n, n_labels = sum(point.n for point in points), sum(point.n_labels for point in points)
    return schemas.Performance(
        model=question.model.name,
        metric=metric.name,
        metrics=metrics.metrics_of(question.model.output_kind, Scoring.of(question.model).positives),
        unit=metric.unit,
        bad=metric.bad,
        start=question.window.start,
        end=question.window.end,
        grain_s=question.window.grain_s,
        as_of=as_of,
        is_replay=question.as_of is not None,
        clock=question.clock,
        revised_since=since,
        min_coverage=wish.min_coverage,
        n=n,
        n_labels=n_labels,
        n_unknown_labels=sum(int(row.get("n_unknown_labels") or 0) for row in coverage.values()),
        coverage=_share(n_labels, n),
        lag_p50_s=lag[0],
        lag_p90_s=lag[1],
        realised=_figure(total),
        estimates=estimates,
        label_free=_label_free(calibrated, expected_total, warnings),
        points=points,
    )


def realise(joined: Joined, metric: MetricName) -> tuple[dict[int, Value], Value]:
    """The metric per bucket and over everything, from labels."""
    if metric in ("mae", "bias"):
        return _errors(joined, metric)
    if metric == "auc":
        return _areas(joined)
    cells: dict[int, list[Cell]] = {}
    for row in joined.confusion().to_pylist():
        one = Cell(row["label"], row["truth"], row["n"], row["w"], row["ww"])
        cells.setdefault(row["bucket"], []).append(one)
    positives = joined.scoring.positives
    by_bucket = {bucket: metrics.of_cells(metric, found, positives) for bucket, found in cells.items()}
    return by_bucket, metrics.of_cells(metric, [one for found in cells.values() for one in found], positives)


def _errors(joined: Joined, metric: MetricName) -> tuple[dict[int, Value], Value]:
    names = ("n", "w", "ww", "we", "we2", "wa")
    sums = {row["bucket"]: ErrorSums(*(row[name] for name in names)) for row in joined.numbers().to_pylist()}
    total = ErrorSums(*(sum(column) for column in zip(*sums.values(), strict=True))) if sums else None
    everything = metrics.of_errors(metric, total) if total else Value(None, reason=metrics.NO_LABELS)
    return {bucket: metrics.of_errors(metric, one) for bucket, one in sums.items()}, everything


def _areas(joined: Joined) -> tuple[dict[int, Value], Value]:
    grouped: dict[int, list[tuple[float, float, int]]] = {}
    overall: dict[float, tuple[float, float, int]] = {}
    for row in joined.scored().to_pylist():
        counts = (row["positives"], row["negatives"], row["n"])
        grouped.setdefault(row["bucket"], []).append(counts)
        before = overall.get(row["score"], (0.0, 0.0, 0))
        overall[row["score"]] = (before[0] + counts[0], before[1] + counts[1], before[2] + counts[2])
    by_bucket = {bucket: _area(found) for bucket, found in grouped.items()}
    if not overall and not joined.scoring.is_binary:
        return by_bucket, Value(None, reason="no_positive_scores")
    return by_bucket, _area([overall[score] for score in sorted(overall)])


def _area(counts: Sequence[tuple[float, float, int]]) -> Value:
    return metrics.of_scores([one[0] for one in counts], [one[1] for one in counts], sum(one[2] for one in counts))


def _before(outcomes: Outcomes, question: Question, metric: MetricName) -> dict[int, tuple[Value, int]]:
    """Every point as it was known then."""
    with outcomes.open(question) as joined:
        counted = _by_bucket(joined.coverage())
        values, _ = realise(joined, metric)
    nothing = Value(None)
    return {bucket: (values.get(bucket, nothing), int(row["n_labels"])) for bucket, row in counted.items()}


def _revised(before: tuple[Value, int] | None, row: Mapping[str, Any], value: Value) -> schemas.Before | None:
    """What a point was, where later labels changed it."""
    was, n_labels = before or (Value(None), 0)
    if n_labels == int(row.get("n_labels") or 0) and was.value == value.value:
        return None
    return schemas.Before(value=was.value, n_labels=n_labels)


def _label_free(calibrated: Calibrated, total: Value, warnings: tuple[str, ...]) -> schemas.LabelFree:
    return schemas.LabelFree(
        figure=_figure(total),
        n_calibration=calibrated.n,
        calibrated_from=calibrated.first_at,
        calibrated_to=calibrated.last_at,
        is_in_sample=calibrated.is_in_sample,
        warnings=list(warnings),
    )


def _by_bucket(table: Any) -> dict[int, dict[str, Any]]:
    return {row["bucket"]: row for row in table.to_pylist()}


def _figure(value: Value) -> schemas.Figure:
    return schemas.Figure(value=value.value, lower=value.lower, upper=value.upper, n=value.n, reason=value.reason)


def _share(part: Any, whole: Any) -> float | None:
    return float(part or 0) / float(whole) if whole else None

"""Shapes of performance over time: three lines, coverage and lag, changes, worst slices, and the rows behind them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from backend.performance.metrics import MetricName

Clock = Literal["logged", "resolved"]
Detector = Literal["adwin", "page_hinkley"]


class Figure(BaseModel):
    """A value with its 95 % interval from `n` labelled answers, or null with the reason (a stable name)."""

    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    n: int = 0
    reason: str | None = None


class Before(BaseModel):
    """What a point showed at `revised_since`."""

    value: float | None
    n_labels: int


class Point(BaseModel):
    """One bucket of prediction time. `realised` comes from labels, `reviewed` from few reviews, `expected` from none.

    `is_thin`: its labels stand for less than the asked share of its predictions; a label out of the review queue stands
    for one over its chance. `before` is there when labels that came after
    `revised_since` changed the point.
    """

    bucket_at: datetime
    n: int
    n_labels: int
    coverage: float | None
    is_thin: bool
    lag_p50_s: float | None
    lag_p90_s: float | None
    realised: Figure
    reviewed: Figure
    expected: Figure
    before: Before | None = None


class EstimateOut(BaseModel):
    """One way to estimate the metric over the whole window from the reviewed answers."""

    method: Literal["wilson", "horvitz_thompson", "hajek", "active", "active_hajek", "stratified", "ppi"]
    value: float | None
    lower: float | None
    upper: float | None
    n_labels: int
    n_items: int
    reason: str | None
    warnings: list[str]


class LabelFree(BaseModel):
    """The estimate without labels (CBPE): how it was calibrated, or the reason why there is none."""

    figure: Figure
    n_calibration: int
    calibrated_from: datetime | None
    calibrated_to: datetime | None
    is_in_sample: bool
    warnings: list[str]


class Performance(BaseModel):
    """How good a model was, by the time of its predictions, as known at `as_of`."""

    model: str
    metric: MetricName
    metrics: list[MetricName]
    unit: Literal["share", "score", "number"]
    bad: Literal["up", "down", "none"]
    start: datetime
    end: datetime
    grain_s: int
    as_of: datetime
    is_replay: bool
    clock: Clock
    revised_since: datetime
    min_coverage: float
    n: int
    n_labels: int
    n_unknown_labels: int
    coverage: float | None
    lag_p50_s: float | None
    lag_p90_s: float | None
    realised: Figure
    estimates: list[EstimateOut]
    label_free: LabelFree
    points: list[Point]


class ChangeOut(BaseModel):
    """A change of the error: when it most likely began and when it was found, in prediction time.

    `known_at` is the moment at which the labels needed to find it were all known.
    """

    began_at: datetime
    found_at: datetime
    known_at: datetime
    before: float
    after: float
    n_before: int
    n_after: int
    is_worse: bool


class Changes(BaseModel):
    """Changes found in the stream of errors, in the order of prediction time, as known at `as_of`."""

    model: str
    detector: Detector
    as_of: datetime
    n: int
    n_left_out: int
    changes: list[ChangeOut]


class ConditionOut(BaseModel):
    """A condition on a stored column: equal to `equals`, in [low, high), or missing when all are null."""

    column: str
    equals: str | bool | None = None
    low: float | None = None
    high: float | None = None


class SliceOut(BaseModel):
    """A part of the predictions that is worse than the rest. `where` gives it as filters of the row lists."""

    conditions: list[ConditionOut]
    where: list[str]
    n: int
    value: float
    lower: float
    upper: float
    rest: float
    difference: float
    p: float
    q: float


class Slices(BaseModel):
    """The worst parts, worst first; among them at most a share `max_q` is expected to be there by chance."""

    model: str
    unit: Literal["share", "number"]
    max_q: float
    min_n: int
    n_rows: int
    is_sample: bool
    n_tested: int
    n_features: int
    value: float | None
    slices: list[SliceOut]


class LabelledRow(BaseModel):
    """A prediction beside its label."""

    event_id: str
    subject_id: str
    happened_at: datetime
    version: str
    label: str
    truth: str
    error: float | None
    score: float | None
    method: str
    known_at: datetime
    artifact: str | None
    segments: dict[str, str]


class LabelledRows(BaseModel):
    """Newest first; send `next_cursor` back for the following rows."""

    rows: list[LabelledRow]
    next_cursor: str | None

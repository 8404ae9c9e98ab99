"""Shapes of the measures, their series, the summary of all models, and the release marks."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

State = Literal["ok", "warning", "bad", "no_data"]


class MeasureOut(BaseModel):
    """A measure of the catalogue; `title_key` and `description_key` are keys of the screens' texts; `group`, `unit`
    and the like are those of db.analytics.measure."""

    name: str
    group: str
    unit: str
    bad: Literal["up", "down", "none"]
    chart: Literal["line", "area", "stacked", "heatmap"]
    dimension: str | None
    item_kind: str | None = None
    source: str = "rollups"
    title_key: str
    description_key: str


class Points(BaseModel):
    """One line of a chart, parallel to the series' `bucket_at`; null is a gap.

    `n` is what each value was computed from; `lower` and `upper` are there for rates (95 %, Wilson).
    """

    name: str
    value: list[float | None]
    n: list[float]
    lower: list[float | None] | None = None
    upper: list[float | None] | None = None


class Series(BaseModel):
    """A measure over time. `grain_s` may be coarser than asked, so that there are at most 2,000 buckets.

    `previous` has the lines of the period of the same length just before, bucket by bucket. `n_left_out` counts
    lines beyond the shown ones (the largest are shown).
    """

    model: str
    measure: str
    unit: str
    bad: str
    chart: str
    split: str | None
    grain_s: int
    start: datetime
    end: datetime
    bucket_at: list[datetime]
    lines: list[Points]
    previous: list[Points] | None = None
    n_left_out: int = 0
    source: Literal["rollups", "rows", "judged", "ingestion"] = "rollups"


class Figure(BaseModel):
    """A number now and in the period before, with its interval where it is a rate."""

    value: float | None = None
    previous: float | None = None
    n: float = 0
    lower: float | None = None
    upper: float | None = None


class Complaint(BaseModel):
    """Why a model is not well: an alert that fires. `value` is its worst, `reference` what it was compared with."""

    incident_id: str
    rule_name: str
    title_key: str | None
    measure: str
    unit: str
    series: str
    series_of: str
    state: State
    kind: Literal["rule", "failure"] = "rule"
    value: float | None = None
    reference: float | None = None
    opened_at: datetime


class ModelSummary(BaseModel):
    """How one model is doing in the window, against the period before."""

    model: str
    title: dict[str, str]
    item_kind: str
    state: State
    reasons: list[Complaint]
    champion: str | None
    automation_level: str | None
    events: Figure
    latency_p95: Figure
    error_rate: Figure
    null_output_rate: Figure
    missing_rate: Figure
    human_ai_agreement: Figure
    waiting_tasks: int
    waiting_adjudications: int
    last_event_at: datetime | None


class Summary(BaseModel):
    """All models that the caller may see."""

    start: datetime
    end: datetime
    models: list[ModelSummary]


class Mark(BaseModel):
    """Something that happened to a model and may explain a change on its charts."""

    at: datetime
    kind: Literal["rollout", "version", "alert"]
    name: str | None
    by: str | None
    reason: str
    details: dict[str, object]

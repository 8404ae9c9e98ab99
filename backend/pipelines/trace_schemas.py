"""Shapes of traces, of the steps' health and of blame."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from backend.monitors.schemas import Figure, Points

Pick = Literal["newest", "slowest", "failed", "null", "cut_short"]
#: What may change at the end of a pipeline.
EndMeasure = Literal["no_answer_rate", "failed_rate", "wrong_rate", "disagreement_rate", "label_share", "latency_mean"]


class SpanOut(BaseModel):
    """One event of a trace. It starts when the event happened and lasts its latency; `parent` is the nearest earlier
    step that the trace has. `is_answer`: this event is the step's answer (the last one that is no shadow)."""

    event_id: str
    step: str
    model: str
    version: str
    role: str
    parent: str | None
    start_at: datetime
    offset_ms: float
    duration_ms: float | None
    status: str
    error: str | None
    prediction: str | None
    is_null_output: bool
    score: float | None
    subject_id: str | None
    is_answer: bool


class TraceOut(BaseModel):
    """One trace in a list. `duration_ms` is from the first start to the last end, `busy_ms` the sum of all steps'
    latencies; `missing` are the steps it has no event of; `prediction` is the end result."""

    trace_id: str
    start_at: datetime
    duration_ms: float
    busy_ms: float
    n_spans: int
    failed_steps: list[str]
    null_steps: list[str]
    missing: list[str]
    slowest_step: str | None
    prediction: str | None
    subject_id: str | None


class TracePage(BaseModel):
    """Traces in the asked order; `before` continues a listing by time."""

    pipeline: str
    traces: list[TraceOut]
    before: datetime | None = None


class Waterfall(BaseModel):
    """A trace with all its spans, in the order of their start."""

    pipeline: str
    trace: TraceOut
    spans: list[SpanOut]
    is_cut: bool = False


class StepHealth(BaseModel):
    """One step now against the reference window. The figures are those of the step's model."""

    step: str
    model: str
    versions: list[str]
    figures: dict[str, Figure]
    state: Literal["ok", "warning", "bad", "no_data"]
    reasons: list[str]


class PipelineHealth(BaseModel):
    """All steps, in the order of the pipeline."""

    pipeline: str
    start: datetime
    end: datetime
    reference_start: datetime
    reference_end: datetime
    steps: list[StepHealth]


class StepSeries(BaseModel):
    """A measure over time with one line per step; null is a gap."""

    pipeline: str
    measure: str
    unit: str
    bad: str
    grain_s: int
    start: datetime
    end: datetime
    bucket_at: list[datetime]
    lines: list[Points]


class ShareOut(BaseModel):
    """What one part of the pipeline did to the end result. `step` is None for what comes in from outside.

    `share` is the part of the whole change; `unseen` the part of current traces in which the step was given what it
    hardly ever got in the reference, so that it cannot be judged itself there.
    """

    step: str | None
    change: float
    low: float
    high: float
    share: float | None
    unseen: float
    is_blamed: bool


class EndChange(BaseModel):
    """One measure of the end result in both windows, and where its change comes from.

    `verdict`: blamed, cannot_tell (the change is certain, its source is not), unchanged, insufficient (too few traces).
    """

    measure: EndMeasure
    label: str | None = None
    unit: Literal["share", "ms"]
    verdict: Literal["blamed", "cannot_tell", "unchanged", "insufficient"]
    reference: float | None
    current: float | None
    change: float | None
    low: float | None
    high: float | None
    n_reference: int
    n_current: int
    n_needed: int | None
    shares: list[ShareOut]


class BlameReport(BaseModel):
    """Where changes of the end result come from. One in `one_in` traces was looked at."""

    pipeline: str
    start: datetime
    end: datetime
    reference_start: datetime
    reference_end: datetime
    n_reference: int
    n_current: int
    one_in: int
    changes: list[EndChange]

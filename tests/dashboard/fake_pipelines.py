"""What the recorded API says about one pipeline: its VAD cuts words, so that the recogniser errs."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from backend.monitors.schemas import Figure, Points
from backend.pipelines import trace_schemas as shapes
from backend.pipelines.schemas import PipelineRead, StepRead

AT = datetime(2026, 3, 20, 9, tzinfo=UTC)
STEPS = (("vad", "solder-joint"), ("recogniser*", "pcb-inspection"))


def pipelines(api: Any, _: httpx.Request) -> list[PipelineRead]:
    if api.is_empty:
        return []
    steps = [StepRead(name=step, model=model) for step, model in STEPS]
    title = {"en": "Speech", "vi": "Tiếng nói"}
    return [PipelineRead(name="speech", title=title, steps=steps, services=[], mapping={}, created_at=AT)]


def _window(request: httpx.Request) -> dict[str, Any]:
    asked = request.url.params
    found: dict[str, Any] = {"pipeline": "speech", "start": asked["start"], "end": asked["end"]}
    if "reference_start" in asked:
        found |= {name: asked[name] for name in ("reference_start", "reference_end")}
    return found


def health(_: Any, request: httpx.Request, pipeline: str) -> shapes.PipelineHealth:
    names = ("requests", "latency_p50", "latency_p95", "error_rate", "null_output_rate", "missing_rate")
    figures = {name: Figure(value=0.031, previous=0.002, n=900) for name in names}
    return shapes.PipelineHealth(
        **_window(request),
        steps=[
            shapes.StepHealth(
                step=step,
                model=model,
                versions=["v1"],
                figures=figures,
                state="bad" if step == "vad" else "ok",
                reasons=["null_output_rate"] if step == "vad" else [],
            )
            for step, model in STEPS
        ],
    )


def series(_: Any, request: httpx.Request, pipeline: str) -> shapes.StepSeries:
    window = _window(request)
    start, end = (datetime.fromisoformat(window[name]) for name in ("start", "end"))
    at = [start + (end - start) * i / 40 for i in range(40)]
    value = [None if 9 < i < 12 else 0.02 + 0.01 * math.sin(i / 4) for i in range(40)]
    return shapes.StepSeries(
        **window,
        measure=request.url.params["measure"],
        unit="share",
        bad="up",
        grain_s=3600,
        bucket_at=at,
        lines=[Points(name=step, value=value, n=[100.0] * 40) for step, _ in STEPS],
    )


def blame(_: Any, request: httpx.Request, pipeline: str) -> shapes.BlameReport:
    def share(step: str | None, change: float, *, is_blamed: bool = False, unseen: float = 0.0) -> shapes.ShareOut:
        part = {"low": change - 0.03, "high": change + 0.03, "share": change / 0.2}
        return shapes.ShareOut(step=step, change=change, unseen=unseen, is_blamed=is_blamed, **part)

    shares = [share(None, 0.0), share("vad", 0.16, is_blamed=True), share("recogniser*", 0.04, unseen=0.4)]
    common = {"low": 0.17, "high": 0.23, "n_reference": 500, "n_current": 480, "n_needed": None}
    wrong = {"reference": 0.05, "current": 0.25, "change": 0.2, "verdict": "blamed"}
    slow = {"reference": 8.0, "current": 9.0, "change": 1.0, "verdict": "cannot_tell"}
    same = {"reference": 0.1, "current": 0.1, "change": 0.001, "verdict": "unchanged", "shares": []}
    return shapes.BlameReport(
        **_window(request),
        n_reference=500,
        n_current=480,
        one_in=3,
        changes=[
            shapes.EndChange(measure="wrong_rate", unit="share", **common | wrong, shares=shares),
            shapes.EndChange(
                measure="latency_mean", unit="ms", **common | slow | {"n_needed": 4200}, shares=[share(None, 0.1)]
            ),
            shapes.EndChange(measure="label_share", label="7", unit="share", **common | same),
        ],
    )


def _trace(i: int) -> shapes.TraceOut:
    return shapes.TraceOut(
        trace_id=f"trace-{i}",
        start_at=AT - timedelta(minutes=i),
        duration_ms=14.2 + i,
        busy_ms=13.0,
        n_spans=3,
        failed_steps=["recogniser*"] if i == 1 else [],
        null_steps=["vad"] if i == 2 else [],
        missing=["recogniser*"] if i == 2 else [],
        slowest_step="recogniser*",
        prediction=None if i == 2 else "7",
        subject_id=f"call-{i}",
    )


def traces(_: Any, __: httpx.Request, pipeline: str) -> shapes.TracePage:
    return shapes.TracePage(pipeline="speech", traces=[_trace(i) for i in range(12)], before=AT)


def trace(_: Any, __: httpx.Request, pipeline: str, trace_id: str) -> shapes.Waterfall:
    common = {"version": "v1", "start_at": AT, "error": None, "score": 0.9, "subject_id": "call-1"}
    spans = [
        shapes.SpanOut(
            event_id=f"event-{i}",
            step=step,
            model=model,
            role="shadow" if i == 2 else "champion",
            parent=None if i == 0 else "vad",
            offset_ms=4.0 * i,
            duration_ms=None if i == 2 else 6.0,
            status="error" if i == 1 else "ok",
            prediction="7",
            is_null_output=False,
            is_answer=i < 2,
            **common,
        )
        for i, (step, model) in enumerate((*STEPS, STEPS[1]))
    ]
    return shapes.Waterfall(pipeline="speech", trace=_trace(1), spans=spans)


ROUTES = (
    ("GET", "/v1/pipelines", pipelines),
    ("GET", "/v1/pipelines/(?P<pipeline>[^/]+)/health", health),
    ("GET", "/v1/pipelines/(?P<pipeline>[^/]+)/series", series),
    ("GET", "/v1/pipelines/(?P<pipeline>[^/]+)/blame", blame),
    ("GET", "/v1/pipelines/(?P<pipeline>[^/]+)/traces", traces),
    ("GET", "/v1/pipelines/(?P<pipeline>[^/]+)/traces/(?P<trace_id>[^/]+)", trace),
)

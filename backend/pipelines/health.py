"""The steps of a pipeline now against a reference window, and their measures over time; from roll-ups alone."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from backend.errors import Invalid, NotFound
from backend.monitors.schemas import Figure, Points
from backend.pipelines.limits import judge_step
from backend.pipelines.trace_schemas import PipelineHealth, StepHealth, StepSeries
from db.analytics import steps as analytics
from db.analytics.catalog import BY_NAME
from db.analytics.windows import UnusableWindow, Window, make_window
from db.eventlog.log import EventLog
from db.repositories.pipelines import Chain, Step

#: What a step's card shows.
SHOWN = ("requests", "latency_p50", "latency_p95", "error_rate", "null_output_rate", "missing_rate")


def open_window(start: datetime, end: datetime, grain_s: int | None = None) -> Window:
    """The aligned window; Invalid when it cannot be drawn."""
    try:
        return make_window(start, end, grain_s)
    except UnusableWindow as error:
        raise Invalid(str(error)) from error


def look_at_steps(eventlog: EventLog, chain: Chain, window: Window, reference: Window) -> PipelineHealth:
    """Every step's figures in both windows, and whether it is well."""
    return PipelineHealth(
        pipeline=chain.pipeline.name,
        start=window.start,
        end=window.end,
        reference_start=reference.start,
        reference_end=reference.end,
        steps=[_look_at(eventlog, step, window, reference) for step in chain.steps],
    )


def draw(eventlog: EventLog, chain: Chain, name: str, window: Window, now: datetime) -> StepSeries:
    """One measure over time with a line per step."""
    if name not in analytics.MEASURES:
        raise NotFound("there is no such measure of a step", details={"known": list(analytics.MEASURES)})
    lines = []
    for step in chain.steps:
        cells = analytics.step_cells(eventlog, step.model_id, window, [name])
        values = analytics.over_time(cells, window, name, now)
        lines.append(
            Points(
                name=step.name,
                value=_nullable(values.value[0]),
                n=values.n[0].tolist(),
                lower=None if values.lower is None else _nullable(values.lower[0]),
                upper=None if values.upper is None else _nullable(values.upper[0]),
            )
        )
    measure = BY_NAME[name]
    return StepSeries(
        pipeline=chain.pipeline.name,
        measure=name,
        unit=measure.unit,
        bad=measure.bad,
        grain_s=window.grain_s,
        start=window.start,
        end=window.end,
        bucket_at=window.bucket_starts,
        lines=lines,
    )


def _look_at(eventlog: EventLog, step: Step, window: Window, reference: Window) -> StepHealth:
    now, before = (analytics.step_cells(eventlog, step.model_id, part, SHOWN) for part in (window, reference))
    figures = {}
    for name in SHOWN:
        value, n, lower, upper = analytics.in_whole(now, window, name)
        previous = analytics.in_whole(before, reference, name)[0]
        figures[name] = Figure(value=value, previous=previous, n=n, lower=lower, upper=upper)
    state, reasons = judge_step(figures)
    return StepHealth(
        step=step.name,
        model=step.model,
        versions=sorted(set(now["version"].to_pylist())),
        figures=figures,
        state=state,
        reasons=reasons,
    )


def _nullable(row: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in row.tolist()]

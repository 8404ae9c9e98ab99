"""Pipelines: the steps in a row with their health against a reference, which step a change of the end result comes
from, every step over time, and the traces with the waterfall of the chosen one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import streamlit as st

from backend.pipelines.schemas import PipelineRead
from backend.pipelines.trace_schemas import PipelineHealth, StepHealth
from dashboard.kit import charts, data, frame, text, values
from dashboard.kit.frame import Window
from dashboard.kit.text import t
from dashboard.screens import pipeline_blame, pipeline_traces

#: How far back the reference lies; None: right before.
_REFERENCES: Final = {"previous": None, "week": timedelta(days=7), "month": timedelta(days=28)}
_CHARTS: Final = ("latency_p95", "null_output_rate", "error_rate", "missing_rate")
_FIGURES: Final = (
    ("requests", "count"),
    ("latency_p95", "ms"),
    ("null_output_rate", "share"),
    ("error_rate", "share"),
    ("missing_rate", "share"),
)
_ICONS: Final = {"ok": ":material/check_circle:", "warning": ":material/error:", "bad": ":material/cancel:"}
_COLOURS: Final = {"ok": "green", "warning": "orange", "bad": "red"}
#: A window that a trace is looked for in, and blamed over, is no longer than this.
_LONGEST: Final = timedelta(days=31)
_FIRST: Final = "soi pipeline add speech --step vad=speech-vad --step recogniser=speech-digits"


@dataclass(frozen=True, slots=True)
class View:
    """What the screen is asked to show; all of it is in the URL."""

    pipeline: PipelineRead
    window: Window
    reference: tuple[datetime, datetime]

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.pipeline.name, *self.window.key, self.reference[0].isoformat())

    @property
    def is_too_long(self) -> bool:
        return self.window.length > _LONGEST


def show() -> None:
    frame.page("pipelines.title", "pipelines.how")
    view = _pick()
    with frame.errors():
        _steps(view)
    with frame.errors():
        pipeline_blame.show(view)
    st.subheader(t("pipelines.charts"), anchor=False)
    for first in range(0, len(_CHARTS), 2):
        for column, name in zip(st.columns(2), _CHARTS[first : first + 2], strict=True):
            with column, frame.errors():
                _chart(view, name)
    with frame.errors():
        pipeline_traces.show(view)
    frame.window_caption(view.window)


def shown_name(pipeline: PipelineRead) -> str:
    """The pipeline as the reader calls it."""
    return text.choose(pipeline.title, pipeline.name)


def _pick() -> View:
    found = data.read(lambda api: api.pipelines.list(limit=1000), "pipelines")
    if not found:
        frame.empty_state("pipelines.empty", code=_FIRST)
        st.stop()
    by_name = {pipeline.name: pipeline for pipeline in found}
    top = st.columns([1.3, 1, 1.3], vertical_alignment="bottom")
    picked = frame.choice(
        "pipelines.pipeline",
        list(by_name),
        key="pipeline",
        shown=lambda name: shown_name(by_name[name]),
        where=top[0],
    )
    window = frame.time_range(top[1])
    back = frame.choice(
        "pipelines.reference",
        list(_REFERENCES),
        key="ref",
        shown=lambda name: t(f"pipelines.reference_{name}"),
        where=top[2],
    )
    return View(by_name[picked or found[0].name], window, _reference(window, back or "previous"))


def _reference(window: Window, name: str) -> tuple[datetime, datetime]:
    """The reference window; one that would overlap the window itself lies right before it instead."""
    shift = max(_REFERENCES[name] or window.length, window.length)
    return window.start - shift, window.end - shift


def _steps(view: View) -> None:
    st.subheader(t("pipelines.steps"), anchor=False)
    found: PipelineHealth = data.read(
        lambda api: api.pipelines.health(
            view.pipeline.name, view.window.start, view.window.end, reference=view.reference
        ),
        "pipeline_health",
        *view.key,
    )
    for first in range(0, len(found.steps), 4):
        row = found.steps[first : first + 4]
        for place, (column, step) in enumerate(zip(st.columns(max(2, len(row))), row, strict=False), start=first + 1):
            with column, st.container(border=True, height="stretch"):
                _card(place, step)


def _card(place: int, step: StepHealth) -> None:
    colour, icon = _COLOURS.get(step.state, "gray"), _ICONS.get(step.state, ":material/help:")
    st.markdown(f"**{place}. {text.plain(step.step)}**")
    st.badge(t(f"pipelines.state.{step.state}"), icon=icon, color=colour)
    names = ", ".join(step.versions)
    versions = t("pipelines.step_versions", names=names) if names else t("pipelines.no_version")
    st.caption(f"{t('pipelines.step_of', model=step.model)} · {text.plain(versions)}")
    if step.reasons:
        names = ", ".join(t(f"measures.{name}.title") for name in step.reasons)
        st.markdown(t("pipelines.because", names=names))
    lines = []
    for name, unit in _FIGURES:
        figure = step.figures[name]
        now = values.by_unit(figure.value, unit)
        before = t("pipelines.was", value=values.by_unit(figure.previous, unit))
        lines.append(f"{t(f'measures.{name}.title')}: **{now}** :gray[({before})]")
    st.markdown("  \n".join(lines))
    frame.link("health", t("pipelines.open_health"), icon=":material/monitor_heart:", model=step.model)


def _chart(view: View, name: str) -> None:
    series = data.read(
        lambda api: api.pipelines.series(
            view.pipeline.name, name, view.window.start, view.window.end, grain_s=view.window.grain_s
        ),
        "step_series",
        name,
        *view.key,
    )
    title = t(f"measures.{name}.title")
    st.markdown(f"**{title}**", help=t(f"measures.{name}.description"))
    lines = [
        charts.Line(line.name, series.bucket_at, line.value, counts=[int(n) for n in line.n]) for line in series.lines
    ]
    if not any(value is not None for line in lines for value in line.values):
        st.caption(t("health.no_points"))
        return
    figure = charts.time_chart(
        lines,
        unit=series.unit,
        colours=frame.colours(),
        window=(view.window.start, view.window.end),
    )
    alt = charts.describe(lines, series.unit, title)
    st.plotly_chart(figure, theme=None, config=charts.CONFIG, key=f"steps_{name}", alt=alt)

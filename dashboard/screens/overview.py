"""Overview: in ten seconds, which models are well, which are not and why, how good they are against people, and what
waits for people. Every number leads to the screen that shows what is behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import streamlit as st

from backend.monitors.schemas import Complaint, Figure, ModelSummary, Summary
from dashboard.kit import data, frame, spark, values
from dashboard.kit.alert_words import plain, rule_name, series_name
from dashboard.kit.frame import Window
from dashboard.kit.text import choose, t

#: Worst first, so that what needs somebody is on top.
_ORDER: Final = {"bad": 0, "warning": 1, "no_data": 2, "ok": 3}
_BADGES: Final = {
    "ok": ("green", ":material/check_circle:"),
    "warning": ("orange", ":material/warning:"),
    "bad": ("red", ":material/error:"),
    "no_data": ("gray", ":material/hourglass_empty:"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a model's row: its catalogue name, which Health group or screen it leads to, what is bad."""

    field: str
    unit: str
    bad: str
    group: str
    measure: str


_CELLS: Final = (
    Cell("events", "count", "none", "software", "requests"),
    Cell("latency_p95", "ms", "up", "software", "latency_p95"),
    Cell("error_rate", "share", "up", "software", "error_rate"),
    Cell("null_output_rate", "share", "up", "output", "null_output_rate"),
    Cell("missing_rate", "share", "up", "input", "missing_rate"),
)
#: Cells with a small line under the number, for as many models as that stays quick.
_SPARKS: Final = frozenset({"requests", "null_output_rate", "human_ai_agreement"})
_MAX_SPARKS: Final = 8
#: Alerts named in a model's row; the others are on their screen.
_MAX_REASONS: Final = 4
#: Grains of the small lines; a line has at most some fifty points.
_SPARK_GRAINS_S: Final = (300, 1800, 3600, 10_800, 21_600, 43_200, 86_400)


def show() -> None:
    head, pick = st.columns([3, 1], vertical_alignment="bottom")
    with head:
        frame.page("overview.title")
    window = frame.time_range(pick, default="7d")
    summary = data.read(lambda api: api.monitors.summary(window.start, window.end), "summary", *window.key)
    if not summary.models:
        frame.empty_state("common.no_models", code=frame.FIRST_MODEL)
        return
    _headline(summary)
    models = sorted(summary.models, key=lambda item: (_ORDER[item.state], item.model))
    for place, model in enumerate(models):
        _row(model, window, with_lines=place < _MAX_SPARKS)
    frame.window_caption(window)


def _headline(summary: Summary) -> None:
    well = sum(model.state == "ok" for model in summary.models)
    unwell = sum(model.state in {"bad", "warning"} for model in summary.models)
    waiting = sum(model.waiting_tasks + model.waiting_adjudications for model in summary.models)
    said = [t("overview.n_models", n=len(summary.models))]
    if well:
        said.append(t("overview.n_well", n=well))
    if unwell:
        said.append(t("overview.n_unwell", n=unwell))
    said.append(t("overview.n_waiting", n=waiting) if waiting else t("overview.nothing_waits"))
    st.markdown(" · ".join(said))


def _row(model: ModelSummary, window: Window, *, with_lines: bool) -> None:
    with st.container(border=True, key=f"soi_card_{model.model}"):
        _name(model, window)
        if model.state == "no_data" and model.last_event_at is None:
            st.markdown(t("overview.never_logged"))
            st.code(frame.first_event(model.model), language="bash")
            return
        columns = st.columns([1, 1, 1, 1, 1, 1.5, 1.1], gap="small")
        for cell, column in zip(_CELLS, columns[:5], strict=True):
            with column, st.container(key=f"soi_cell_{cell.field}_{model.model}"):
                _number(cell, getattr(model, cell.field), model, window)
                if with_lines:
                    _spark(cell.measure, model, window)
        with columns[5], st.container(key=f"soi_cell_agreement_{model.model}"):
            _agreement(model, window)
            if with_lines:
                _spark("human_ai_agreement", model, window)
        with columns[6], st.container(key=f"soi_cell_waiting_{model.model}"):
            _waiting(model)


def _spark(measure: str, model: ModelSummary, window: Window) -> None:
    """How the number went over the window, as a small line."""
    if measure not in _SPARKS:
        return
    length_s = window.length.total_seconds()
    grain_s = next((width for width in _SPARK_GRAINS_S if length_s / width <= 56), _SPARK_GRAINS_S[-1])
    if measure == "human_ai_agreement":
        grain_s = max(grain_s, next((width for width in _SPARK_GRAINS_S if length_s / width <= 8), 86_400))
    with frame.errors():
        series = data.read(
            lambda api: api.monitors.series(model.model, measure, window.start, window.end, grain_s=grain_s),
            "spark",
            measure,
            model.model,
            *window.key,
        )
        line = series.lines[0].value if series.lines else []
        drawn = spark.svg(line, frame.colours().series[0], t("overview.spark", measure=t(f"measures.{measure}.title")))
        if drawn:
            st.html(drawn)


def _name(model: ModelSummary, window: Window) -> None:
    colour, icon = _BADGES[model.state]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(t(f"overview.state.{model.state}"), color=colour, icon=icon)
        title = choose(model.title, model.model)
        frame.link("health", f"**{title}**", model=model.model, range=window.name)
        facts = [t("overview.champion", version=model.champion or values.NOTHING)]
        if model.automation_level:
            facts.append(t(f"overview.automation.{model.automation_level}"))
        facts.append(t("overview.last_event", ago=values.ago(model.last_event_at)))
        st.caption(" · ".join(facts))
    for reason in model.reasons[:_MAX_REASONS]:
        frame.link("alerts", f":{_BADGES[reason.state][0]}[{_reason(reason)}]", incident=reason.incident_id)
    if len(model.reasons) > _MAX_REASONS:
        frame.link("alerts", t("overview.more_alerts", n=len(model.reasons) - _MAX_REASONS))


def _reason(reason: Complaint) -> str:
    """What fires, in words, such as: Slow answers: 212 ms (compared with 96 ms)."""
    name = rule_name(reason.rule_name, reason.title_key)
    series = series_name(reason.series, reason.series_of)
    value = t("alerts.state.failing") if reason.kind == "failure" else values.by_unit(reason.value, reason.unit)
    said = t("overview.alert", rule=f"{name}, {series}" if series else name, value=value)
    if reason.reference is not None and reason.kind == "rule":
        said += " " + t("overview.compared", reference=values.by_unit(reason.reference, reason.unit))
    return plain(f"{said} · {t('alerts.firing_now.since', ago=values.ago(reason.opened_at))}")


def _number(cell: Cell, figure: Figure, model: ModelSummary, window: Window) -> None:
    st.caption(t(f"overview.cell.{cell.field}"))
    shown = values.by_unit(figure.value, cell.unit)
    screen = "health" if cell.group in ("software", "agreement") else "inputs-outputs"
    frame.link(screen, f"**{shown}**", model=model.model, range=window.name, group=cell.group, measure=cell.measure)
    st.caption(change(figure, cell.unit, cell.bad))


def change(figure: Figure, unit: str, bad: str) -> str:
    """The change against the period before, coloured by whether it is for the worse."""
    if figure.value is None or figure.previous is None:
        return t("overview.no_previous")
    difference = figure.value - figure.previous
    written = values.points(difference) if unit == "share" else _relative(figure.value, figure.previous)
    if written is None or written.startswith("±"):
        return t("overview.unchanged")
    arrow = "↑" if difference > 0 else "↓"
    is_worse = (bad == "up" and difference > 0) or (bad == "down" and difference < 0)
    is_better = (bad == "up" and difference < 0) or (bad == "down" and difference > 0)
    colour = "red" if is_worse else "green" if is_better else "gray"
    return f":{colour}[{arrow} {written}]"


def _relative(value: float, previous: float) -> str | None:
    if not previous:
        return None
    return values.signed((value / previous - 1) * 100, 0) + "%"


def _agreement(model: ModelSummary, window: Window) -> None:
    figure = model.human_ai_agreement
    st.caption(t("overview.cell.human_ai_agreement"))
    shown = values.percent(figure.value)
    a = f"version:{model.champion}" if model.champion else None
    frame.link("compare", f"**{shown}**", model=model.model, range=window.name, a=a, b="people" if a else None)
    if figure.value is None:
        st.caption(t("overview.no_decisions"))
    else:
        st.caption(
            t("overview.interval", interval=values.interval(figure.lower, figure.upper), n=int(figure.n)),
            help=t("overview.interval_help"),
        )


def _waiting(model: ModelSummary) -> None:
    st.caption(t("overview.cell.waiting"))
    frame.link("inspect", f"**{values.number(model.waiting_tasks)}**", model=model.model)
    if model.waiting_adjudications:
        frame.link("disagreements", t("overview.n_adjudications", n=model.waiting_adjudications), model=model.model)
    else:
        st.caption(t("overview.no_adjudications"))

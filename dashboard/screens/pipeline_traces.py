"""Part of Pipelines: the traces of the window by what happened in them, and one of them with its predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from backend.client import ApiError
from backend.pipelines.trace_schemas import SpanOut, TraceOut, Waterfall
from dashboard.kit import address, charts, data, frame, pipeline_charts, session, values
from dashboard.kit.tables import picked_row
from dashboard.kit.text import t, t_or
from dashboard.screens import prediction_rows

if TYPE_CHECKING:
    from dashboard.screens.pipelines import View

_PICKS: Final = ("newest", "slowest", "failed", "null", "cut_short")
_ANY: Final = "-"
_LIMIT: Final = 50


def show(view: View) -> None:
    """The list, and below it the chosen trace (`?trace=`) with the chosen prediction (`?span=`)."""
    st.subheader(t("pipelines.traces.title"), anchor=False)
    if not session.may("events:read"):
        st.info(t("pipelines.traces.only_for_scientists"), icon=":material/lock:")
        return
    if view.is_too_long:
        st.caption(t("pipelines.traces.too_long"))
        return
    bar = st.columns([1, 1, 1.6], vertical_alignment="bottom")
    pick = frame.choice(
        "pipelines.traces.pick", _PICKS, key="pick", shown=lambda name: t(f"pipelines.traces.{name}"), where=bar[0]
    )
    step = frame.choice(
        "pipelines.traces.step",
        [_ANY, *(step.name for step in view.pipeline.steps)],
        key="step",
        shown=lambda name: t("pipelines.traces.any_step") if name == _ANY else name,
        where=bar[1],
    )
    address.follow_text("trace_id")
    wanted = bar[2].text_input(t("pipelines.traces.find"), key="trace_id").strip()
    address.keep("trace_id", wanted, "")
    _list(view, pick or _PICKS[0], None if step in (None, _ANY) else step)
    chosen = wanted or st.query_params.get("trace")
    if chosen:
        _one(view, chosen)


def _list(view: View, pick: str, step: str | None) -> None:
    page = data.read(
        lambda api: api.pipelines.traces(
            view.pipeline.name,
            view.window.start,
            view.window.end,
            pick=pick,  # type: ignore[arg-type]
            step=step,
            limit=_LIMIT,
        ),
        "traces",
        pick,
        step,
        *view.key,
    )
    if not page.traces:
        st.caption(t("pipelines.traces.none"))
        return
    st.caption(t("pipelines.traces.choose"))
    key = f"traces_{pick}_{step}_{page.traces[0].trace_id}"
    picked = picked_row([_row(trace) for trace in page.traces], alt=t("pipelines.traces.title"), key=key, height=320)
    if picked is not None and st.query_params.get("trace") != page.traces[picked].trace_id:
        st.query_params["trace"] = page.traces[picked].trace_id
        st.query_params.pop("span", None)


def _row(trace: TraceOut) -> dict[str, str]:
    written = {
        "start": values.exact(trace.start_at).rsplit(" ", 1)[0],
        "duration": values.milliseconds(trace.duration_ms),
        "busy": values.milliseconds(trace.busy_ms),
        "output": (trace.prediction or t("common.no_answer"))[:100],
        "slowest": trace.slowest_step or values.NOTHING,
        "trouble": trouble(trace) or values.NOTHING,
        "subject": trace.subject_id or values.NOTHING,
        "trace": trace.trace_id,
    }
    return {t(f"pipelines.column.{name}"): value for name, value in written.items()}


def trouble(trace: TraceOut) -> str:
    """What went wrong in a trace, in words."""
    said = [t("pipelines.trouble.failed", step=step) for step in trace.failed_steps]
    said += [t("pipelines.trouble.null", step=step) for step in trace.null_steps if step not in trace.failed_steps]
    return ", ".join([*said, *(t("pipelines.trouble.missing", step=step) for step in trace.missing)])


def _one(view: View, trace_id: str) -> None:
    try:
        found: Waterfall = data.read(
            lambda api: api.pipelines.trace(view.pipeline.name, trace_id, view.window.start, view.window.end),
            "trace",
            trace_id,
            *view.key,
        )
    except ApiError as error:
        if error.status != 404:
            raise
        st.info(t("pipelines.traces.not_found", id=trace_id[:100]))
        return
    with st.container(border=True):
        title, close = st.columns([6, 1], vertical_alignment="center")
        title.markdown(f"**{t('pipelines.one.title')}**")
        if close.button(t("pipelines.one.close"), icon=":material/close:", key="close_trace"):
            for name in ("trace", "span", "trace_id"):
                st.query_params.pop(name, None)
            st.rerun()
        st.code(found.trace.trace_id, language=None)
        _waterfall(found)
        _spans(view, found)


def _waterfall(found: Waterfall) -> None:
    places = {step: place for place, step in enumerate(dict.fromkeys(span.step for span in found.spans))}
    bars = [
        pipeline_charts.Bar(
            span.step,
            span.offset_ms,
            span.duration_ms,
            _state(span),
            _note(span),
            colour=places[span.step],
            is_faint=not span.is_answer,
        )
        for span in found.spans
    ]
    duration = values.milliseconds(found.trace.duration_ms)
    alt = t("pipelines.one.alt", name=t("pipelines.one.title"), n=len(bars), duration=duration)
    figure = pipeline_charts.waterfall(bars, colours=frame.colours())
    st.plotly_chart(figure, theme=None, config=charts.CONFIG, key="waterfall", alt=alt)
    if found.is_cut:
        st.caption(t("pipelines.one.cut"))


def _state(span: SpanOut) -> str:
    if span.status != "ok":
        return "failed"
    return "null" if span.is_null_output else "ok"


def _note(span: SpanOut) -> str:
    took = values.milliseconds(span.duration_ms) if span.duration_ms is not None else t("pipelines.one.no_time")
    said = [took, (span.prediction or t("common.no_answer"))[:100]]
    if span.status != "ok":
        said.append(t_or(f"health.status.{span.status}", span.status))
    if not span.is_answer:
        said.append(t("pipelines.one.is_shadow" if span.role == "shadow" else "pipelines.one.is_earlier"))
    return ", ".join(said)


def _spans(view: View, found: Waterfall) -> None:
    """The steps as rows, each leading to its prediction."""
    st.caption(t("pipelines.one.choose"))
    rows = [_span_row(place, span) for place, span in enumerate(found.spans, start=1)]
    picked = picked_row(rows, alt=t("pipelines.one.title"), key=f"spans_{found.trace.trace_id}")
    if picked is not None:
        st.query_params["span"] = found.spans[picked].event_id
    wanted = st.query_params.get("span")
    span = next((span for span in found.spans if span.event_id == wanted), None)
    model = data.find_model(span.model) if span is not None else None
    if span is not None and model is not None:
        st.query_params["event"] = span.event_id
        prediction_rows.detail(model, span.event_id)


def _span_row(place: int, span: SpanOut) -> dict[str, str]:
    written = {
        "span": f"{place}. {span.step}",
        "start": values.milliseconds(span.offset_ms),
        "took": values.milliseconds(span.duration_ms),
        "answer": (span.prediction or t("common.no_answer"))[:100],
        "status": t_or(f"health.status.{span.status}", span.status),
        "version": span.version,
        "role": t_or(f"common.role.{span.role}", span.role),
    }
    return {t(f"pipelines.one.{name}"): value for name, value in written.items()}

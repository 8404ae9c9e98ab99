"""Part of Pipelines: what changed at the end of the pipeline and which step it comes from, in words and as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from backend.pipelines.trace_schemas import BlameReport, EndChange, ShareOut
from dashboard.kit import charts, data, frame, pipeline_charts, text, values
from dashboard.kit.tables import table
from dashboard.kit.text import t

if TYPE_CHECKING:
    from dashboard.screens.pipelines import View

#: From this part on it is said that a step was handed things it never got in the reference.
_TOLD_UNSEEN: Final = 0.2
#: From this share of a change on it is said to come from one step alone: other steps' shares are about nothing.
_NEARLY_ALL: Final = 0.95


def show(view: View) -> None:
    """The changes in words, the figure of one of them, and the table of all measures."""
    st.subheader(t("pipelines.blame.title"), anchor=False, help=t("pipelines.blame.help"))
    if view.is_too_long:
        st.caption(t("pipelines.traces.too_long"))
        return
    report: BlameReport = data.read(
        lambda api: api.pipelines.blame(
            view.pipeline.name, view.window.start, view.window.end, reference=view.reference
        ),
        "blame",
        *view.key,
    )
    if report.changes and report.changes[0].verdict == "insufficient":
        st.info(
            t(
                "pipelines.blame.insufficient",
                n_current=report.n_current,
                n_reference=report.n_reference,
                n_needed=report.changes[0].n_needed or 0,
            )
        )
        return
    changed = [change for change in report.changes if change.verdict in ("blamed", "cannot_tell")]
    changed.sort(key=lambda change: (change.verdict != "blamed", change.measure == "label_share"))
    left, right = st.columns([1.1, 1])
    with left:
        if not changed:
            st.success(t("pipelines.blame.nothing"), icon=":material/check_circle:")
        whole = [change for change in changed if change.measure != "label_share"]
        for change in whole or changed:
            _tell(change)
        _tell_unseen(changed)
    with right:
        if changed:
            _figure(changed)
    table([_row(change) for change in report.changes], alt=t("pipelines.blame.title"))
    counts = {"n_current": report.n_current, "n_reference": report.n_reference}
    key = "sample" if report.one_in == 1 else "sample_of"
    st.caption(t(f"pipelines.blame.{key}", n=report.one_in, **counts))


def end_name(change: EndChange) -> str:
    """The measure of the end result as the reader calls it."""
    return t(f"pipelines.end.{change.measure}", label=change.label or "")


def step_name(share: ShareOut) -> str:
    return t("pipelines.came_in") if share.step is None else share.step


def _tell(change: EndChange) -> None:
    lines = [
        t(
            "pipelines.blame.changed",
            measure=text.plain(end_name(change)),
            reference=_value(change.reference, change.unit),
            current=_value(change.current, change.unit),
            change=_difference(change.change, change.unit),
        )
    ]
    for share in change.shares:
        if share.is_blamed:
            told = pipeline_charts.difference(share.change, share.low, share.high, change.unit)
            part = values.percent(share.share, 0)
            key = "comes_from" if (share.share or 0) < _NEARLY_ALL else "comes_from_all"
            lines.append(t(f"pipelines.blame.{key}", share=part, step=text.plain(step_name(share)), change=told))
    if change.verdict == "cannot_tell":
        lines.append(t("pipelines.blame.cannot_tell", n=change.n_needed or 0))
    st.markdown("- " + " ".join(lines))


def _tell_unseen(changed: list[EndChange]) -> None:
    """Steps that could hardly be judged, because they were handed what the reference does not know."""
    unseen: dict[str, float] = {}
    for share in (share for change in changed for share in change.shares if not share.is_blamed):
        unseen[step_name(share)] = max(unseen.get(step_name(share), 0.0), share.unseen)
    for step, part in unseen.items():
        if part >= _TOLD_UNSEEN:
            st.caption(t("pipelines.blame.unseen", share=values.percent(part, 0), step=text.plain(step)))


def _figure(changed: list[EndChange]) -> None:
    names = {f"{change.measure}:{change.label or ''}": change for change in changed}
    picked = frame.choice("pipelines.blame.pick", list(names), key="change", shown=lambda name: end_name(names[name]))
    change = names[picked or next(iter(names))]
    parts = [
        pipeline_charts.Part(step_name(share), share.change, share.low, share.high, share.is_blamed)
        for share in change.shares
    ]
    title = t("pipelines.blame.chart", measure=end_name(change))
    said = "; ".join(
        f"{part.name}: {pipeline_charts.difference(part.change, part.low, part.high, change.unit)}" for part in parts
    )
    figure = pipeline_charts.shares(parts, unit=change.unit, colours=frame.colours())
    st.plotly_chart(figure, theme=None, config=charts.CONFIG, key="blame_shares", alt=f"{title}. {said}")


def _row(change: EndChange) -> dict[str, str]:
    where = ", ".join(step_name(share) for share in change.shares if share.is_blamed)
    written = {
        "measure": end_name(change),
        "before": _value(change.reference, change.unit),
        "now": _value(change.current, change.unit),
        "change": _difference(change.change, change.unit),
        "verdict": t(f"pipelines.verdict.{change.verdict}"),
        "where": where or values.NOTHING,
    }
    return {t(f"pipelines.blame.{name}"): value for name, value in written.items()}


def _value(value: float | None, unit: str) -> str:
    return values.by_unit(value, unit)


def _difference(value: float | None, unit: str) -> str:
    if value is None:
        return values.NOTHING
    return f"{values.signed(value)} ms" if unit == "ms" else values.points(value)

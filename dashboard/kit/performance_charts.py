"""Figures of the Performance screen: three lines with what is thin, revised and changed on them; coverage and lag.
Plotly graph_objects only, no Streamlit and no API: tested as figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import plotly.graph_objects as go

from dashboard.kit import charts, text
from dashboard.kit import values as written
from dashboard.kit.charts import Line, Mark
from dashboard.kit.theme import LIGHT, Palette

_HOVER = "%d/%m %H:%M"


@dataclass(frozen=True, slots=True)
class Course:
    """What is drawn of one model: up to three lines, and the places of the first that need a mark.

    `thin` are places of the realised line with little label coverage; `revised` are (place, value before, labels
    before) of points that later labels changed.
    """

    at: Sequence[datetime]
    realised: Line
    reviewed: Line | None = None
    expected: Line | None = None
    thin: Sequence[int] = ()
    revised: Sequence[tuple[int, float | None, int]] = ()
    marks: Sequence[Mark] = field(default_factory=tuple)


def course(
    shown: Course,
    *,
    unit: str,
    colours: Palette = LIGHT,
    window: tuple[datetime, datetime] | None = None,
    selected: tuple[datetime, datetime] | None = None,
    height: int = 340,
) -> go.Figure:
    """The three lines; thin points grey and hollow, revised points ringed with what they were before."""
    solid = _without(shown.realised, shown.thin)
    lines = [line for line in (solid, shown.reviewed, shown.expected) if line is not None]
    figure = charts.time_chart(
        lines,
        unit=unit,
        colours=colours,
        marks=shown.marks,
        window=window,
        selected=selected,
        height=height,
        zero=False,
    )
    _add_thin(figure, shown, unit, colours)
    _add_revised(figure, shown, unit, colours)
    _fit(figure, [*lines, shown.realised], unit)
    figure.update_layout(showlegend=True)
    return figure


def coverage(
    at: Sequence[datetime],
    shares: Sequence[float | None],
    counts: Sequence[tuple[int, int]],
    is_thin: Sequence[bool],
    *,
    colours: Palette = LIGHT,
    window: tuple[datetime, datetime] | None = None,
    height: int = 150,
) -> go.Figure:
    """The share of predictions with a label per bucket, grey where thin; `counts` are (labels, predictions)."""
    figure = go.Figure(layout=charts.timed_layout(colours, height))
    notes = [
        f"{written.percent(share)} ({written.number(part)} / {written.number(whole)})"
        for share, (part, whole) in zip(shares, counts, strict=True)
    ]
    figure.add_bar(
        x=[charts.wall_time(moment) for moment in at],
        y=list(shares),
        marker={
            "color": [colours.border if thin else colours.series[0] for thin in is_thin],
            "line": {"width": 0},
        },
        customdata=notes,
        hovertemplate=f"%{{x|{_HOVER}}}: %{{customdata}}<extra></extra>",
    )
    figure.update_yaxes(tickformat=",.1~%", rangemode="tozero")
    figure.update_layout(bargap=0.08 if len(at) <= 40 else 0, dragmode="select", selectdirection="h")
    if window:
        figure.update_xaxes(range=[charts.wall_time(one) for one in window])
    return figure


def lag(
    at: Sequence[datetime],
    median_s: Sequence[float | None],
    most_s: Sequence[float | None],
    *,
    names: tuple[str, str],
    colours: Palette = LIGHT,
    window: tuple[datetime, datetime] | None = None,
    height: int = 150,
) -> go.Figure:
    """How late labels came, in days: the median and what nine in ten stay under."""
    figure = go.Figure(layout=charts.timed_layout(colours, height))
    for position, (name, seconds) in enumerate(zip(names, (median_s, most_s), strict=True)):
        figure.add_scatter(
            x=[charts.wall_time(moment) for moment in at],
            y=[None if one is None else one / 86_400 for one in seconds],
            name=name,
            mode="lines+markers",
            marker={"size": 4},
            line={"color": colours.series[position], "width": 1.6, "dash": ("solid", "dot")[position]},
            customdata=[duration(one) for one in seconds],
            hovertemplate=f"%{{x|{_HOVER}}}: %{{customdata}}<extra>{name}</extra>",
            connectgaps=False,
        )
    figure.update_yaxes(rangemode="tozero", ticksuffix=f" {text.t('performance.day_sign')}")
    figure.update_layout(showlegend=True)
    if window:
        figure.update_xaxes(range=[charts.wall_time(one) for one in window])
    return figure


def duration(seconds: float | None) -> str:
    """A lag as people say it: minutes, hours or days."""
    if seconds is None:
        return written.NOTHING
    if seconds < 5400:
        return text.t("performance.minutes", n=round(seconds / 60))
    if seconds < 2 * 86_400:
        return text.t("performance.hours", n=round(seconds / 3600))
    return text.t("performance.days", n=round(seconds / 86_400))


def drift_course(
    at: Sequence[datetime],
    areas: Sequence[float | None],
    is_drift: Sequence[bool],
    counts: Sequence[int],
    *,
    colours: Palette = LIGHT,
    window: tuple[datetime, datetime] | None = None,
    height: int = 200,
) -> go.Figure:
    """How well each stretch can be told from the reference: 50 % means not at all; drifted stretches are red."""
    figure = go.Figure(layout=charts.timed_layout(colours, height))
    figure.add_scatter(
        x=[charts.wall_time(moment) for moment in at],
        y=list(areas),
        mode="lines+markers",
        line={"color": colours.soft_ink, "width": 1.2},
        marker={"size": 8, "color": [colours.bad if one else colours.series[0] for one in is_drift]},
        customdata=[
            f"AUC {written.number(area, 2)}, n = {written.number(n)}" for area, n in zip(areas, counts, strict=True)
        ],
        hovertemplate=f"%{{x|{_HOVER}}}: %{{customdata}}<extra></extra>",
        connectgaps=False,
    )
    figure.add_hline(y=0.5, line={"color": colours.soft_ink, "width": 1, "dash": "dot"})
    known = [area for area in areas if area is not None]
    figure.update_yaxes(range=[min(0.4, *known, 0.4), max(0.8, *known, 0.8) + 0.03], tickformat=".2f")
    if window:
        figure.update_xaxes(range=[charts.wall_time(one) for one in window])
    return figure


def _without(line: Line, places: Sequence[int]) -> Line:
    """The line without some points, which are drawn otherwise; their intervals go with them."""
    gone = set(places)

    def keep(values: Sequence[Any] | None) -> list[Any] | None:
        return None if values is None else [None if i in gone else one for i, one in enumerate(values)]

    return Line(line.name, line.at, keep(line.values) or [], keep(line.low), keep(line.high), line.counts)


def _add_thin(figure: go.Figure, shown: Course, unit: str, colours: Palette) -> None:
    places = [i for i in shown.thin if shown.realised.values[i] is not None]
    if not places:
        return
    counts = shown.realised.counts or [None] * len(shown.at)
    figure.add_scatter(
        x=[charts.wall_time(shown.at[i]) for i in places],
        y=[shown.realised.values[i] for i in places],
        name=text.t("performance.thin"),
        mode="markers",
        marker={"size": 7, "symbol": "circle-open", "color": colours.soft_ink, "line": {"width": 1}},
        opacity=0.6,
        customdata=[
            f"{written.by_unit(shown.realised.values[i], unit)}, n = {written.number(counts[i])}" for i in places
        ],
        hovertemplate=f"%{{x|{_HOVER}}}: %{{customdata}}<extra></extra>",
    )


def _add_revised(figure: go.Figure, shown: Course, unit: str, colours: Palette) -> None:
    places = [one for one in shown.revised if shown.realised.values[one[0]] is not None]
    if not places:
        return
    notes = [text.t("performance.was", value=written.by_unit(before, unit), n=n) for _, before, n in places]
    figure.add_scatter(
        x=[charts.wall_time(shown.at[i]) for i, _, _ in places],
        y=[shown.realised.values[i] for i, _, _ in places],
        name=text.t("performance.revised"),
        mode="markers",
        marker={"size": 12, "symbol": "diamond-open", "color": colours.warning, "line": {"width": 1.4}},
        customdata=notes,
        hovertemplate=f"%{{x|{_HOVER}}}: %{{customdata}}<extra></extra>",
    )


def _fit(figure: go.Figure, lines: Sequence[Line], unit: str) -> None:
    """The axis holds every line with some room, and intervals whole as far as the lines keep a third of the height;
    a share never leaves 0 to 100 %."""
    known = [value for line in lines for value in line.values if value is not None]
    if not known:
        return
    low, high = min(known), max(known)
    room = max((high - low) * 0.25, 0.02 if unit in {"share", "score"} else 1e-9)
    is_bounded = unit in {"share", "score"}
    reach = max(high - low, 0.1) if is_bounded else high - low
    ends = [end for line in lines for end in (*(line.low or ()), *(line.high or ())) if end is not None]
    bottom = min([low - room, *(max(end, low - reach) for end in ends)])
    top = max([high + room, *(min(end, high + reach) for end in ends)])
    figure.update_yaxes(range=[max(0.0, bottom), min(1.02, top)] if is_bounded else [bottom, top])

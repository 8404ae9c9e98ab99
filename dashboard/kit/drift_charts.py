"""Figures of drift: a feature's reference against a window, and all features over time. No Streamlit, no API here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import plotly.graph_objects as go

from dashboard.kit import text
from dashboard.kit import values as written
from dashboard.kit.charts import MAX_POINTS
from dashboard.kit.theme import FONT, LIGHT, Palette

#: Shifts from here on are drawn alike: one sigma is a large shift.
TOP_SIGMA: Final = 1.0
_HOVER_TIME: Final = "%d/%m %H:%M"


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the overlay: its name, where it lies (numbers), and its share on both sides."""

    name: str
    low: float | None
    high: float | None
    reference: float
    current: float


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One feature over time. `verdicts` are codes (None: nothing was logged), `shifts` the effect in sigma."""

    name: str
    verdicts: Sequence[str | None]
    shifts: Sequence[float | None]
    counts: Sequence[int]


def number_overlay(
    bars: Sequence[Bar], names: tuple[str, str], *, colours: Palette = LIGHT, height: int = 260
) -> go.Figure:
    """Two histograms over the same ranges; open ranges stand at the ends with the usual width."""
    figure = go.Figure(layout=_layout(colours, height))
    widths = [bar.high - bar.low for bar in bars if bar.low is not None and bar.high is not None]
    width = sorted(widths)[len(widths) // 2] if widths else 1.0
    places = [_place(bar, width) for bar in bars]
    for side, (name, colour) in enumerate(zip(names, _two(colours), strict=True)):
        shares = [bar.current if side else bar.reference for bar in bars]
        figure.add_bar(
            x=[middle for middle, _ in places],
            y=shares,
            width=[wide for _, wide in places],
            name=name,
            opacity=0.55 if side else 0.7,
            marker={"color": colour, "line": {"width": 0}},
            customdata=[[bar.name, written.percent(share)] for bar, share in zip(bars, shares, strict=True)],
            hovertemplate="%{customdata[0]}: %{customdata[1]}<extra>" + _escape(name) + "</extra>",
        )
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_xaxes(type="linear", tickformat=",~r")
    figure.update_yaxes(tickformat=",.1~%", rangemode="tozero")
    return figure


def category_overlay(
    bars: Sequence[Bar], names: tuple[str, str], *, colours: Palette = LIGHT, height: int | None = None
) -> go.Figure:
    """Shares per category side by side, the first on top."""
    figure = go.Figure(layout=_layout(colours, height or 90 + 34 * max(2, len(bars))))
    for side, (name, colour) in enumerate(zip(names, _two(colours), strict=True)):
        shares = [bar.current if side else bar.reference for bar in bars]
        figure.add_bar(
            x=shares,
            y=[_escape(bar.name)[:40] for bar in bars],
            orientation="h",
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            customdata=[written.percent(share) for share in shares],
            hovertemplate="%{y}: %{customdata}<extra>" + _escape(name) + "</extra>",
        )
    figure.update_layout(barmode="group", bargap=0.25)
    figure.update_yaxes(autorange="reversed", type="category", automargin=True, showgrid=False)
    figure.update_xaxes(tickformat=",.0%", rangemode="tozero", showgrid=True, gridcolor=colours.grid)
    return figure


def heat_map(
    at: Sequence[datetime],
    rows: Sequence[HeatRow],
    *,
    verdict_names: dict[str, str],
    colours: Palette = LIGHT,
    height: int | None = None,
) -> go.Figure:
    """Features (rows, first on top) over time (columns), darker for a larger shift; a dot says drifted, grey says too
    few rows to tell, and what was never logged stays empty."""
    figure = go.Figure(layout=_layout(colours, height or 70 + 24 * max(3, len(rows))))
    x = [written.local(moment).replace(tzinfo=None) for moment in at]
    names = [_escape(row.name)[:32] for row in rows]
    figure.add_heatmap(
        z=[[1.0 if verdict == "insufficient" else None for verdict in row.verdicts] for row in rows],
        x=x,
        y=names,
        colorscale=[[0, colours.grid], [1, colours.grid]],
        showscale=False,
        hoverinfo="skip",
        xgap=1,
        ygap=1,
    )
    figure.add_heatmap(
        z=[[_strength(*cell) for cell in zip(row.verdicts, row.shifts, strict=True)] for row in rows],
        x=x,
        y=names,
        zmin=0,
        zmax=TOP_SIGMA,
        customdata=[[_said(row, place, verdict_names) for place in range(len(row.verdicts))] for row in rows],
        hovertemplate=f"%{{x|{_HOVER_TIME}}}<br>%{{y}}: %{{customdata}}<extra></extra>",
        colorscale=[[i / (len(colours.ramp) - 1), shade] for i, shade in enumerate(colours.ramp)],
        colorbar={"title": {"text": "σ", "side": "top"}, "thickness": 10, "outlinewidth": 0, "len": 0.9},
        xgap=1,
        ygap=1,
    )
    marked = [(x[place], names[number]) for number, row in enumerate(rows) for place in _drifted(row)][:MAX_POINTS]
    figure.add_scatter(
        x=[moment for moment, _ in marked],
        y=[name for _, name in marked],
        mode="markers",
        marker={"size": 5, "color": colours.bad, "line": {"color": colours.ground, "width": 1}},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False, automargin=True)
    figure.update_xaxes(type="date", tickformatstops=_time_ticks())
    return figure


def _strength(verdict: str | None, shift: float | None) -> float | None:
    return None if verdict in (None, "insufficient", "failed") else shift


def _said(row: HeatRow, place: int, verdict_names: dict[str, str]) -> str:
    verdict = row.verdicts[place]
    if verdict is None:
        return ""
    shift = f", {written.number(row.shifts[place], 2)} σ" if row.shifts[place] is not None else ""
    return f"{verdict_names.get(verdict, verdict)}{shift}, n = {written.number(row.counts[place])}"


def _drifted(row: HeatRow) -> list[int]:
    return [place for place, verdict in enumerate(row.verdicts) if verdict == "drifted"]


def _place(bar: Bar, width: float) -> tuple[float, float]:
    if bar.low is None and bar.high is not None:
        return bar.high - width / 2, width
    if bar.high is None and bar.low is not None:
        return bar.low + width / 2, width
    assert bar.low is not None
    assert bar.high is not None
    return (bar.low + bar.high) / 2, bar.high - bar.low


def _two(colours: Palette) -> tuple[str, str]:
    """Reference and current: told apart by lightness too."""
    return colours.series[6], colours.series[1]


def _layout(colours: Palette, height: int) -> go.Layout:
    axis: dict[str, Any] = {
        "gridcolor": colours.grid,
        "linecolor": colours.border,
        "zeroline": False,
        "tickfont": {"color": colours.soft_ink, "size": 11},
        "automargin": True,
    }
    return go.Layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 10, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12, "color": colours.ink},
        hoverlabel={"font": {"family": FONT, "size": 12}},
        hovermode="closest",
        dragmode=False,
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "font": {"size": 11}},
        xaxis={**axis, "showgrid": False},
        yaxis=axis,
        separators=",." if text.language() == "vi" else ".,",
    )


def _time_ticks() -> list[dict[str, Any]]:
    day = "%d/%m" if text.language() == "vi" else "%-d %b"
    return [
        {"dtickrange": [None, 86_400_000], "value": f"%H:%M\n{day}"},
        {"dtickrange": [86_400_000, "M1"], "value": day},
        {"dtickrange": ["M1", None], "value": "%m/%Y"},
    ]


def _escape(label: str) -> str:
    """Labels are data: plotly reads a little HTML in names."""
    return label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

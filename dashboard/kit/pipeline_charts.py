"""Figures of pipelines: a trace as a waterfall, and the steps' shares of a change. Arrays in, figure out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from dashboard.kit import values as written
from dashboard.kit.charts import axis_of, escape, plain_layout
from dashboard.kit.theme import LIGHT, Palette


@dataclass(frozen=True, slots=True)
class Bar:
    """One span of a waterfall, in milliseconds since the trace began. Without duration it is drawn as a moment."""

    name: str
    offset_ms: float
    duration_ms: float | None
    state: str
    note: str
    colour: int = 0
    is_faint: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """The share of one step in a change, with its interval."""

    name: str
    change: float
    low: float
    high: float
    is_blamed: bool


def waterfall(bars: Sequence[Bar], *, colours: Palette = LIGHT) -> go.Figure:
    """The spans of a trace from top to bottom, each where it lies in time."""
    figure = go.Figure(layout=plain_layout(colours, 70 + 34 * max(2, len(bars))))
    end = max((bar.offset_ms + (bar.duration_ms or 0.0) for bar in bars), default=1.0) or 1.0
    rows = [f"{place}. {bar.name}" for place, bar in enumerate(bars, start=1)]
    figure.add_bar(
        x=[max(bar.duration_ms or 0.0, end / 400) for bar in bars],
        base=[bar.offset_ms for bar in bars],
        y=[escape(row) for row in rows],
        orientation="h",
        marker={
            "color": [_colour(bar, colours) for bar in bars],
            "opacity": [0.45 if bar.is_faint else 1.0 for bar in bars],
            "line": {"width": 0},
        },
        text=[written.milliseconds(bar.duration_ms) for bar in bars],
        textposition="outside",
        cliponaxis=False,
        customdata=[escape(bar.note) for bar in bars],
        hovertemplate="%{y}: %{customdata}<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", type="category", automargin=True, showgrid=False)
    figure.update_xaxes(type="linear", range=[0, end * 1.12], showgrid=True, **axis_of("ms"))
    figure.update_layout(bargap=0.35, dragmode=False, showlegend=False)
    return figure


def shares(parts: Sequence[Part], *, unit: str, colours: Palette = LIGHT) -> go.Figure:
    """What each step did to the end result, with intervals; blamed ones stand out in colour and are marked."""
    figure = go.Figure(layout=plain_layout(colours, 70 + 34 * max(2, len(parts))))
    figure.add_bar(
        x=[part.change for part in parts],
        y=[escape(("● " if part.is_blamed else "") + part.name) for part in parts],
        orientation="h",
        marker={
            "color": [colours.bad if part.is_blamed else colours.soft_ink for part in parts],
            "line": {"width": 0},
        },
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, part.high - part.change) for part in parts],
            "arrayminus": [max(0.0, part.change - part.low) for part in parts],
            "color": colours.ink,
            "thickness": 1.4,
            "width": 5,
        },
        customdata=[difference(part.change, part.low, part.high, unit) for part in parts],
        hovertemplate="%{y}: %{customdata}<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": colours.border, "width": 1})
    figure.update_yaxes(autorange="reversed", type="category", automargin=True, showgrid=False)
    figure.update_xaxes(type="linear", showgrid=True, **axis_of(unit))
    figure.update_layout(bargap=0.4, dragmode=False, showlegend=False)
    return figure


def difference(change: float, low: float, high: float, unit: str) -> str:
    """A change with its interval: +18.3 pp (14.0 to 22.6)."""
    if unit == "ms":
        return f"{written.signed(change)} ms ({written.signed(low)} … {written.signed(high)})"
    return f"{written.points(change)} ({written.signed(100 * low)} … {written.signed(100 * high)})"


def _colour(bar: Bar, colours: Palette) -> Any:
    if bar.state == "failed":
        return colours.bad
    return colours.warning if bar.state == "null" else colours.series[bar.colour % len(colours.series)]

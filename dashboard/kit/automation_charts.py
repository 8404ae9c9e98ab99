"""Figures of the Automation screen: the ladder, a gate's interval against its limit, and a strip of past verdicts.
Plotly graph_objects only, no Streamlit and no API: tested as figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import plotly.graph_objects as go

from dashboard.kit import charts
from dashboard.kit import values as written
from dashboard.kit.theme import LIGHT, Palette

#: What a verdict is drawn as: place on the strip and colour of the palette.
KINDS: Final = ("promote", "more_labels", "keep", "blocked", "step_back", "none")
#: The width of a day on a time axis.
_DAY_MS: Final = 86_400_000


def colour_of(kind: str, colours: Palette) -> str:
    """The colour of a verdict or of a gate's state."""
    return {
        "promote": colours.good,
        "passed": colours.good,
        "more_labels": colours.accent,
        "waiting": colours.accent,
        "blocked": colours.warning,
        "failing": colours.warning,
        "step_back": colours.bad,
        "broken": colours.bad,
        "none": colours.border,
    }.get(kind, colours.soft_ink)


def ladder(names: Sequence[str], place: int, *, colours: Palette = LIGHT, height: int = 96) -> go.Figure:
    """Steps from left to right, those reached filled, the present one large."""
    figure = go.Figure(layout=_bare(colours, height))
    heights = [0.18 * step for step in range(len(names))]
    figure.add_scatter(
        x=list(range(len(names))), y=heights, mode="lines", line={"color": colours.border, "width": 2}, hoverinfo="skip"
    )
    figure.add_scatter(
        x=list(range(len(names))),
        y=heights,
        mode="markers+text",
        text=[f"<b>{name}</b>" if step == place else name for step, name in enumerate(names)],
        textposition="bottom center",
        textfont={
            "color": [colours.ink if step <= place else colours.soft_ink for step in range(len(names))],
            "size": 13,
        },
        marker={
            "size": [20 if step == place else 12 for step in range(len(names))],
            "color": [colours.accent if step <= place else colours.ground for step in range(len(names))],
            "line": {"color": colours.accent, "width": 2},
        },
        hoverinfo="skip",
        cliponaxis=False,
    )
    figure.update_xaxes(range=[-0.65, len(names) - 0.35], visible=False, fixedrange=True)
    figure.update_yaxes(range=[-0.55, heights[-1] + 0.25], visible=False, fixedrange=True)
    return figure


def gate(weighed: Mapping[str, Any], label: str, *, colours: Palette = LIGHT, height: int = 52) -> go.Figure:
    """The proven interval as a bar, the estimate as a point, the limit as a line with the wrong side shaded."""
    figure = go.Figure(layout=_bare(colours, height))
    low, high = weighed["lower"], weighed["upper"]
    value, limit = weighed["value"], weighed["limit"]
    known = [one for one in (low, high, value, limit) if one is not None]
    is_floor = weighed["gate"]["kind"] in ("accuracy", "non_inferiority", "audited_share")
    left, right = _range(known, weighed["gate"]["kind"])
    colour = colour_of(weighed["state"], colours)
    wrong = (left, limit) if is_floor else (limit, right)
    figure.add_vrect(x0=wrong[0], x1=wrong[1], fillcolor=colours.bad, opacity=0.08, line_width=0)
    figure.add_vline(x=limit, line={"color": colours.ink, "width": 1.5, "dash": "dot"})
    start, end = low if low is not None else left, high
    if end is not None:
        figure.add_scatter(
            x=[start, end], y=[0, 0], mode="lines", line={"color": colour, "width": 7}, opacity=0.45, hoverinfo="skip"
        )
    if value is not None:
        figure.add_scatter(
            x=[value],
            y=[0],
            mode="markers",
            marker={"size": 11, "color": colour},
            hovertemplate=f"{label}<extra></extra>",
        )
    kind = weighed["gate"]["kind"]
    ticks = ",.3~g" if kind in ("latency", "drift") else ",.1~%"
    figure.update_xaxes(range=[left, right], tickformat=ticks, nticks=5, tickfont={"size": 10}, fixedrange=True)
    figure.update_yaxes(range=[-1, 1], visible=False, fixedrange=True)
    return figure


def strip(
    at: Sequence[datetime],
    kinds: Sequence[str],
    notes: Sequence[str],
    *,
    names: Mapping[str, str],
    bounds: Sequence[tuple[float | None, float | None, float | None]],
    titles: tuple[str, str],
    colours: Palette = LIGHT,
    height: int = 260,
) -> go.Figure:
    """One coloured block per day over the proven bounds of right answers (lower, value, upper) of that day."""
    figure = go.Figure(layout=charts.timed_layout(colours, height))
    x = [charts.wall_time(moment) for moment in at]
    lower, value, upper = ([one[place] for one in bounds] for place in range(3))
    figure.add_scatter(x=x, y=upper, mode="lines", line={"width": 0}, hoverinfo="skip", showlegend=False)
    figure.add_scatter(
        x=x,
        y=lower,
        mode="lines",
        line={"width": 0},
        fill="tonexty",
        fillcolor=colours.shade,
        name=titles[1],
        customdata=[written.interval(low, high) for low, _, high in bounds],
        hovertemplate="%{customdata}<extra></extra>",
    )
    figure.add_scatter(x=x, y=value, mode="lines", line={"color": colours.accent, "width": 1.6}, name=titles[0])
    for kind in KINDS:
        places = [place for place, one in enumerate(kinds) if one == kind]
        if places:
            figure.add_bar(
                x=[x[place] for place in places],
                y=[1] * len(places),
                width=_DAY_MS * 0.9,
                yaxis="y2",
                marker={"color": colour_of(kind, colours), "line": {"width": 0}},
                name=names[kind],
                customdata=[notes[place] for place in places],
                hovertemplate="%{x|%d/%m}: %{customdata}<extra></extra>",
            )
    known = [one for row in bounds for one in row if one is not None]
    floor = max(0.0, min(known, default=0.0) - 0.03)
    figure.update_layout(
        yaxis={"domain": [0.24, 1], "tickformat": ",.0%", "range": [floor, 1.01]},
        yaxis2={"domain": [0, 0.14], "visible": False, "range": [0, 1], "fixedrange": True},
        barmode="overlay",
        bargap=0.12,
        showlegend=True,
        hovermode="closest",
    )
    return figure


def _range(known: Sequence[float], kind: str) -> tuple[float, float]:
    low, high = min(known), max(known)
    room = max((high - low) * 0.2, 0.01 if kind != "latency" else high * 0.2)
    if kind in ("latency", "drift"):
        return 0.0, high + room
    floor = -1.0 if kind == "non_inferiority" else 0.0
    return max(floor, low - room), min(1.0, high + room)


def _bare(colours: Palette, height: int) -> dict[str, Any]:
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 4, "b": 18},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": colours.ink},
        "showlegend": False,
        "xaxis": {"gridcolor": colours.grid, "zeroline": False, "color": colours.soft_ink},
        "yaxis": {"zeroline": False},
    }

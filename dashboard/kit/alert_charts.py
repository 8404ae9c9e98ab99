"""The chart of the alert editor: what a measure was, its limits, and where the rule would have fired. No Streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import plotly.graph_objects as go

from dashboard.kit import charts
from dashboard.kit.theme import LIGHT, Palette
from dashboard.kit.values import local


@dataclass(frozen=True, slots=True)
class Firing:
    """A stretch of time in which the rule would have fired."""

    start: datetime
    end: datetime
    is_alert: bool


def tried(
    lines: Sequence[charts.Line],
    firing: Sequence[Firing],
    *,
    unit: str,
    window: tuple[datetime, datetime],
    limits: Sequence[tuple[float, str, bool]] = (),
    colours: Palette = LIGHT,
    height: int = 260,
) -> go.Figure:
    """Lines over the tried days with the firing stretches shaded; `limits` are (value, label, whether of the alert)."""
    figure = charts.time_chart(lines, unit=unit, colours=colours, window=window, height=height)
    shortest = (window[1] - window[0]) / 400
    for one in firing:
        figure.add_vrect(
            x0=_wall(one.start),
            x1=_wall(max(one.end, one.start + shortest)),
            fillcolor=colours.bad if one.is_alert else colours.warning,
            opacity=0.28,
            line_width=0,
            layer="below",
        )
    known = [value for line in lines for value in line.values if value is not None]
    for value, label, is_alert in limits:
        colour = colours.bad if is_alert else colours.warning
        figure.add_hline(y=value, line={"color": colour, "dash": "dash", "width": 1})
        figure.add_annotation(
            x=1, xref="paper", xanchor="right", y=value, yanchor="bottom", text=label, showarrow=False,
            font={"size": 10, "color": colour},
        )  # fmt: skip
    top = max([*known, *(value for value, _, _ in limits)], default=0.0)
    if top:
        figure.update_yaxes(range=[min([0.0, *known]), top * 1.12])
    figure.update_layout(dragmode=False)
    return figure


def _wall(moment: datetime) -> datetime:
    return local(moment).replace(tzinfo=None)

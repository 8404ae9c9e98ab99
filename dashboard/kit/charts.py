"""Every figure of the app, made of plotly graph_objects with SVG traces (WebGL is blocked by our content policy) and
at most 2,000 points. No Streamlit and no API here: arrays in, figure out, tested as figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import plotly.graph_objects as go

from dashboard.kit import text
from dashboard.kit import values as written
from dashboard.kit.theme import FONT, LIGHT, Palette

#: 85 ms in the browser; 50,000 points took 620 ms.
MAX_POINTS: Final = 2000
#: Shown by Streamlit's own toolbar instead of plotly's.
CONFIG: Final[dict[str, Any]] = {"displayModeBar": False, "scrollZoom": False, "doubleClick": "reset"}
_DASHES: Final = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_MARKS: Final = ("circle", "square", "diamond", "triangle-up", "cross", "x")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart over time. None in `values` is a gap and is drawn as a gap.

    `low` and `high` draw an interval band; `counts` is the n behind each value; `is_previous` draws it faint and
    dashed (the values are already shifted onto the current window).
    """

    name: str
    at: Sequence[datetime]
    values: Sequence[float | None]
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None
    counts: Sequence[int | None] | None = None
    is_previous: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """An event drawn as a vertical line over time charts: a release, an alert."""

    at: datetime
    label: str
    kind: str = "release"


def time_chart(
    lines: Sequence[Line],
    *,
    unit: str,
    colours: Palette = LIGHT,
    marks: Sequence[Mark] = (),
    window: tuple[datetime, datetime] | None = None,
    selected: tuple[datetime, datetime] | None = None,
    height: int = 240,
    filled: bool = False,
    zero: bool = True,
    title: str | None = None,
) -> go.Figure:
    """Lines over time in the reader's zone, with units, gaps, marks, and the selected range shaded."""
    figure = go.Figure(layout=_timed_layout(colours, height))
    current = [line for line in lines if not line.is_previous]
    for position, line in enumerate(current):
        _add_line(figure, line, unit, colours, position, filled)
    for line in lines:
        if line.is_previous:
            twin = next((i for i, other in enumerate(current) if other.name == line.name), 0)
            _add_previous(figure, line, unit, colours, twin)
    _add_marks(figure, marks, colours, window)
    _add_range(figure, window, selected, colours)
    top = max((value for line in lines for value in line.values if value is not None), default=0.0)
    figure.update_yaxes(**_value_axis(unit, top), rangemode="tozero" if zero else "normal")
    _keep_lines_readable(figure, lines, unit, zero)
    figure.update_layout(dragmode="select", selectdirection="h", showlegend=len(lines) > 1)
    if title:
        figure.update_layout(title={"text": title}, margin_t=34)
    return figure


def confusion(
    matrix: Sequence[Sequence[int]],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    *,
    row_title: str,
    column_title: str,
    colours: Palette = LIGHT,
    height: int | None = None,
) -> go.Figure:
    """Counts of two judges' answers: rows the first judge, columns the second; shaded by share of the row."""
    shares = [[cell / max(1, sum(row)) for cell in row] for row in matrix]
    cells = [[written.number(cell) if cell else "" for cell in row] for row in matrix]
    hover = [[written.percent(share) for share in row] for row in shares]
    figure = go.Figure(layout=_layout(colours, height or 120 + 42 * max(2, len(row_labels))))
    figure.add_heatmap(
        z=shares,
        x=list(column_labels),
        y=list(row_labels),
        text=cells,
        texttemplate="%{text}",
        customdata=hover,
        hovertemplate="%{y} → %{x}: %{text} (%{customdata})<extra></extra>",
        colorscale=[[i / (len(colours.ramp) - 1), shade] for i, shade in enumerate(colours.ramp)],
        zmin=0,
        zmax=1,
        showscale=False,
        xgap=2,
        ygap=2,
    )
    rows, columns = ({"text": text, "standoff": 10} for text in (row_title, column_title))  # else on the labels
    figure.update_yaxes(autorange="reversed", title=rows, showgrid=False, type="category", automargin=True)
    figure.update_xaxes(title=columns, side="top", showgrid=False, type="category", automargin=True)
    return figure


def heat_over_time(
    at: Sequence[datetime],
    bands: Sequence[str],
    counts: Sequence[Sequence[float | None]],
    *,
    colours: Palette = LIGHT,
    height: int = 240,
    window: tuple[datetime, datetime] | None = None,
) -> go.Figure:
    """How many answers fell into each band (rows, lowest first) in each bucket (columns); no answer stays empty."""
    figure = go.Figure(layout=_timed_layout(colours, height))
    shaded = [[math.log1p(cell) if cell else None for cell in row] for row in counts]
    figure.add_heatmap(
        z=shaded,
        x=[_x(moment) for moment in at],
        y=list(bands),
        customdata=[[written.number(cell) for cell in row] for row in counts],
        hovertemplate=f"%{{x|{_HOVER_TIME}}}<br>≤ %{{y}}: %{{customdata}}<extra></extra>",
        colorscale=[[i / (len(colours.ramp) - 2), shade] for i, shade in enumerate(colours.ramp[1:])],
        showscale=False,
    )
    figure.update_yaxes(type="category", showgrid=False, nticks=8)
    if window:
        figure.update_xaxes(range=[_x(window[0]), _x(window[1])])
    figure.update_layout(dragmode="select", selectdirection="h")
    return figure


def intervals(
    names: Sequence[str],
    values: Sequence[float | None],
    low: Sequence[float | None],
    high: Sequence[float | None],
    *,
    unit: str = "ratio",
    colours: Palette = LIGHT,
    reference: tuple[float, str] | None = None,
    counts: Sequence[int] | None = None,
) -> go.Figure:
    """One value with its interval per name (segments, versions), with a line for what to compare against."""
    figure = go.Figure(layout=_layout(colours, 80 + 30 * max(2, len(names))))
    notes = [
        f"{written.by_unit(v, unit)} ({written.by_unit(a, unit)} – {written.by_unit(b, unit)})"
        + (f", n = {written.number(counts[i])}" if counts else "")
        for i, (v, a, b) in enumerate(zip(values, low, high, strict=True))
    ]
    figure.add_scatter(
        x=list(values),
        y=list(names),
        mode="markers",
        marker={"size": 9, "color": colours.series[0]},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [_gap(b, v) for v, b in zip(values, high, strict=True)],
            "arrayminus": [_gap(v, a) for v, a in zip(values, low, strict=True)],
            "color": colours.series[0],
            "thickness": 1.6,
            "width": 5,
        },
        customdata=notes,
        hovertemplate="%{y}: %{customdata}<extra></extra>",
    )
    if reference:
        figure.add_vline(x=reference[0], line={"color": colours.soft_ink, "dash": "dash", "width": 1})
        figure.add_annotation(x=reference[0], y=1, yref="paper", yanchor="bottom", text=reference[1], showarrow=False)
        figure.update_layout(margin_t=26)
    figure.update_yaxes(autorange="reversed", type="category", automargin=True)
    axis = _value_axis(unit)
    figure.update_xaxes(type="linear", tickformat=axis.get("tickformat"), ticksuffix=axis.get("ticksuffix", ""))
    return figure


def bars(
    names: Sequence[str],
    values: Sequence[float | None],
    *,
    unit: str = "count",
    colours: Palette = LIGHT,
    height: int | None = None,
) -> go.Figure:
    """Horizontal bars, one per name, in the given order."""
    figure = go.Figure(layout=_layout(colours, height or 60 + 26 * max(2, len(names))))
    figure.add_bar(
        x=list(values),
        y=list(names),
        orientation="h",
        marker={"color": colours.series[0], "line": {"width": 0}},
        customdata=[written.by_unit(value, unit) for value in values],
        hovertemplate="%{y}: %{customdata}<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", type="category", automargin=True)
    axis = _value_axis(unit)
    figure.update_xaxes(type="linear", tickformat=axis.get("tickformat"), ticksuffix=axis.get("ticksuffix", ""))
    return figure


def stacked_bars(
    at: Sequence[datetime],
    parts: Mapping[str, Sequence[float | None]],
    *,
    unit: str = "count",
    colours: Palette = LIGHT,
    height: int = 220,
    window: tuple[datetime, datetime] | None = None,
    selected: tuple[datetime, datetime] | None = None,
    marks: Sequence[Mark] = (),
) -> go.Figure:
    """Parts of a whole over time, one colour per part; a bucket without data stays empty."""
    figure = go.Figure(layout=_timed_layout(colours, height))
    for position, (name, values) in enumerate(parts.items()):
        figure.add_bar(
            x=[_x(moment) for moment in at],
            y=list(values),
            name=name,
            marker={"color": _series(colours, position), "line": {"width": 0}},
            customdata=[written.by_unit(value, unit) for value in values],
            hovertemplate=f"%{{x|{_HOVER_TIME}}}: %{{customdata}}<extra>{_escape(name)}</extra>",
        )
    _add_marks(figure, marks, colours, window)
    _add_range(figure, window, selected, colours)
    figure.update_layout(
        barmode="stack", bargap=0.08 if len(at) <= 40 else 0, showlegend=len(parts) > 1, legend_traceorder="normal"
    )
    figure.update_layout(dragmode="select", selectdirection="h")
    top = max((sum(value or 0 for value in column) for column in zip(*parts.values(), strict=True)), default=0.0)
    figure.update_yaxes(**_value_axis(unit, top), rangemode="tozero")
    return figure


def curves(
    x: Sequence[float],
    lines: Mapping[str, Sequence[float | None]],
    *,
    x_title: str,
    unit: str = "number",
    colours: Palette = LIGHT,
    height: int = 240,
) -> go.Figure:
    """Lines over a number, such as loss and accuracy over epochs."""
    figure = go.Figure(layout=_layout(colours, height))
    for position, (name, values) in enumerate(lines.items()):
        figure.add_scatter(
            x=list(x),
            y=list(values),
            name=name,
            mode="lines+markers",
            line={"color": _series(colours, position), "width": 2, "dash": _DASHES[position % len(_DASHES)]},
            marker={"size": 6, "symbol": _MARKS[position % len(_MARKS)]},
            customdata=[written.by_unit(value, unit) for value in values],
            hovertemplate=f"%{{x}}: %{{customdata}}<extra>{_escape(name)}</extra>",
        )
    figure.update_xaxes(type="linear", title=x_title)
    figure.update_yaxes(**_value_axis(unit), rangemode="normal")
    figure.update_layout(showlegend=len(lines) > 1, dragmode=False)
    return figure


def describe(lines: Sequence[Line], unit: str, title: str) -> str:
    """The figure in words, for people who cannot see it: last, lowest and highest value of every line."""
    said = []
    for line in lines:
        known = [value for value in line.values if value is not None]
        if line.is_previous or not known:
            continue
        said.append(
            text.t(
                "common.chart_alt",
                name=line.name,
                last=written.by_unit(known[-1], unit),
                lowest=written.by_unit(min(known), unit),
                highest=written.by_unit(max(known), unit),
            )
        )
    return f"{title}. " + (" ".join(said) if said else text.t("common.chart_alt_empty"))


def thin(at: Sequence[Any], values: Sequence[float | None], limit: int = MAX_POINTS) -> tuple[list[Any], list[Any]]:
    """At most `limit` points that keep every stretch's lowest and highest value and its gaps."""
    if len(at) <= limit:
        return list(at), list(values)
    stretch = -(-len(at) * 2 // limit)
    kept: list[int] = []
    for start in range(0, len(at), stretch):
        part = range(start, min(start + stretch, len(at)))
        known = [i for i in part if values[i] is not None]
        if not known:
            kept.append(start)
            continue
        ends = {min(known, key=lambda i: values[i] or 0), max(known, key=lambda i: values[i] or 0)}
        kept.extend(sorted(ends))
    return [at[i] for i in kept], [values[i] for i in kept]


def plain_layout(colours: Palette, height: int) -> go.Layout:
    """The look that all figures share, for figures that live in files of their own."""
    return _layout(colours, height)


def axis_of(unit: str) -> dict[str, Any]:
    """How an axis in this unit writes its ticks."""
    return _value_axis(unit)


def escape(label: str) -> str:
    """Text from outside, safe to be drawn."""
    return _escape(label)


# --- parts ---------------------------------------------------------------------------------------------------------

_HOVER_TIME: Final = "%d/%m %H:%M"


def _layout(colours: Palette, height: int) -> go.Layout:
    axis = {
        "gridcolor": colours.grid,
        "linecolor": colours.border,
        "zeroline": False,
        "tickfont": {"color": colours.soft_ink, "size": 11},
        "title": {"font": {"color": colours.soft_ink, "size": 11}},
        "automargin": True,
    }
    return go.Layout(
        height=height,
        margin={"l": 8, "r": 12, "t": 10, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12, "color": colours.ink},
        title={"font": {"size": 13}, "x": 0, "xanchor": "left", "xref": "container"},
        hoverlabel={"font": {"family": FONT, "size": 12}},
        hovermode="closest",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0, "font": {"size": 11}},
        xaxis={**axis, "showgrid": False},
        yaxis=axis,
        separators=_separators(),
    )


def _timed_layout(colours: Palette, height: int) -> go.Layout:
    layout = _layout(colours, height)
    layout.xaxis.tickformatstops = _time_ticks()
    return layout


def _time_ticks() -> list[dict[str, Any]]:
    """Times on the axis in the reader's order; plotly itself knows English month names only."""
    day = "%d/%m" if text.language() == "vi" else "%-d %b"
    return [
        {"dtickrange": [None, 1000], "value": "%H:%M:%S"},
        {"dtickrange": [1000, 86_400_000], "value": f"%H:%M\n{day}"},
        {"dtickrange": [86_400_000, "M1"], "value": day},
        {"dtickrange": ["M1", None], "value": "%m/%Y"},
    ]


def _separators() -> str:
    return ",." if text.language() == "vi" else ".,"


def _value_axis(unit: str, top: float = 0.0) -> dict[str, Any]:
    if unit in {"ratio", "share"}:
        return {"tickformat": ",.3~%" if 0 < top < 0.005 else ",.1~%"}
    if unit in {"ms", "milliseconds"}:
        return {"ticksuffix": " ms", "tickformat": ",~r"}
    if unit in {"bytes", "byte"}:
        return {"tickformat": "~s", "ticksuffix": "B"}
    if unit in {"s", "px", "dbfs"}:
        return {"ticksuffix": {"s": " s", "px": " px", "dbfs": " dBFS"}[unit], "tickformat": ",~r"}
    if unit == "count":
        return {"tickformat": "~s" if top >= 10_000 else ",~r", **({"dtick": 1} if 0 < top <= 5 else {})}
    return {"tickformat": ",~r"}


def _add_line(figure: go.Figure, line: Line, unit: str, colours: Palette, position: int, filled: bool) -> None:
    colour = _series(colours, position)
    if _has_useful_band(line):
        _add_band(figure, line, colour)
    at, values = thin(line.at, line.values)
    notes = [written.by_unit(value, unit) for value in values]
    if line.counts is not None and len(at) == len(line.at):
        notes = [f"{note}, n = {written.number(n)}" for note, n in zip(notes, line.counts, strict=True)]
    known = sum(value is not None for value in values)
    figure.add_scatter(
        x=[_x(moment) for moment in at],
        y=values,
        name=line.name,
        mode="lines+markers" if known <= 60 else "lines",
        marker={"size": 4, "symbol": _MARKS[position % len(_MARKS)]},
        line={"color": colour, "width": 1.8, "dash": _DASHES[position % len(_DASHES)]},
        connectgaps=False,
        fill="tozeroy" if filled else None,
        fillcolor=_faint(colour) if filled else None,
        customdata=notes,
        hovertemplate=f"%{{x|{_HOVER_TIME}}}: %{{customdata}}<extra>{_escape(line.name)}</extra>",
    )


def _has_useful_band(line: Line) -> bool:
    """Intervals much wider than what the line itself does say only that n is small; the hover says so too."""
    if line.low is None or line.high is None:
        return False
    known = sorted(value for value in line.values if value is not None)
    widths = sorted(b - a for a, b in zip(line.low, line.high, strict=True) if a is not None and b is not None)
    if not known or not widths:
        return False
    usual = known[-1 - len(known) // 20] - known[len(known) // 20]  # without the one point in twenty that sticks out
    return widths[len(widths) // 2] <= 2 * usual + 0.005


def _add_band(figure: go.Figure, line: Line, colour: str) -> None:
    """One closed shape per stretch without gaps, so that a gap stays a gap."""
    for part in _stretches(line):
        at = [_x(line.at[i]) for i in part]
        upper = [line.high[i] for i in part] if line.high else []
        lower = [line.low[i] for i in part] if line.low else []
        figure.add_scatter(
            x=at + at[::-1],
            y=upper + lower[::-1],
            fill="toself",
            fillcolor=_faint(colour),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
        )


def _stretches(line: Line) -> list[list[int]]:
    found: list[list[int]] = []
    is_open = False
    for i in range(len(line.at)):
        whole = bool(line.low and line.high) and line.low[i] is not None and line.high[i] is not None  # type: ignore[index]
        if whole and is_open:
            found[-1].append(i)
        elif whole:
            found.append([i])
        is_open = whole
    return found


def _add_previous(figure: go.Figure, line: Line, unit: str, colours: Palette, position: int) -> None:
    at, values = thin(line.at, line.values)
    figure.add_scatter(
        x=[_x(moment) for moment in at],
        y=values,
        name=text.t("common.previous_of", name=line.name),
        mode="lines",
        opacity=0.55,
        line={"color": _series(colours, position), "width": 1.2, "dash": "dot"},
        connectgaps=False,
        customdata=[written.by_unit(value, unit) for value in values],
        hovertemplate=f"%{{customdata}}<extra>{_escape(text.t('common.previous'))}</extra>",
    )


def _keep_lines_readable(figure: go.Figure, lines: Sequence[Line], unit: str, zero: bool) -> None:
    """Wide intervals of small samples must not press the line itself flat: the axis follows the line."""
    known = [value for line in lines for value in line.values if value is not None]
    is_share = unit in {"ratio", "share"}
    if not known or not (is_share or any(_has_useful_band(line) for line in lines)):
        return
    low, high = (0.0 if zero else min(known)), max(known)
    if is_share:
        reach = max(high - low, 0.1)  # an interval is shown whole as long as the line keeps a third of the height
        bottom = 0.0 if zero else max(0.0, low - max((high - low) * 0.25, 0.02))
        room = (high - bottom) * 0.25
        top = high + room
        lows = [end for line in lines for end in line.low or () if end is not None]
        highs = [end for line in lines for end in line.high or () if end is not None]
        if lows and not zero:
            bottom = min(bottom, max(min(lows), low - reach))
        if highs:
            top = max(top, min(max(highs), high + reach))
        figure.update_yaxes(range=[bottom, max(bottom + 0.01, min(max(1.01, high), top))])
        return
    room = max((high - low) * 0.6, 0.02)
    figure.update_yaxes(range=[0.0 if zero else max(0.0, low - room), high + room])


def _merge(marks: Sequence[Mark], window: tuple[datetime, datetime] | None) -> list[Mark]:
    """Marks too close to be read apart become one with all their names."""
    near = (window[1] - window[0]) / 40 if window else timedelta(0)
    groups: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda mark: mark.at):
        if groups and mark.at - groups[-1][0].at <= near:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    merged = []
    for group in groups:
        names = list(dict.fromkeys(mark.label for mark in group))
        label = ", ".join(names[:3]) + ("…" if len(names) > 3 else "")
        kind = "alert" if any(mark.kind == "alert" for mark in group) else group[0].kind
        merged.append(Mark(group[0].at, label, kind))
    return merged


def _add_marks(
    figure: go.Figure, marks: Sequence[Mark], colours: Palette, window: tuple[datetime, datetime] | None
) -> None:
    row, before = 0, None
    for mark in _merge(marks, window):
        colour = colours.bad if mark.kind == "alert" else colours.soft_ink
        is_late = window is not None and mark.at > window[0] + (window[1] - window[0]) * 0.75
        is_near = before is not None and window is not None and mark.at - before < (window[1] - window[0]) / 8
        row, before = (row + 1) % 3 if is_near else 0, mark.at
        figure.add_vline(x=_x(mark.at), line={"color": colour, "width": 1, "dash": "dash"})
        figure.add_annotation(
            x=_x(mark.at),
            y=1,
            yref="paper",
            yanchor="top",
            xanchor="right" if is_late else "left",
            xshift=-3 if is_late else 3,
            yshift=-12 * row,
            text=_escape(mark.label),
            showarrow=False,
            font={"size": 10, "color": colour},
        )


def _add_range(
    figure: go.Figure,
    window: tuple[datetime, datetime] | None,
    selected: tuple[datetime, datetime] | None,
    colours: Palette,
) -> None:
    if selected:
        figure.add_vrect(x0=_x(selected[0]), x1=_x(selected[1]), fillcolor=colours.shade, line_width=0, layer="below")
    if window:
        figure.update_xaxes(range=[_x(window[0]), _x(window[1])])


def _x(moment: datetime) -> datetime:
    """Wall time of the reader without zone, because plotly draws what it is given."""
    return written.local(moment).replace(tzinfo=None)


def _gap(upper: float | None, lower: float | None) -> float:
    return 0.0 if upper is None or lower is None else max(0.0, upper - lower)


def _series(colours: Palette, position: int) -> str:
    return colours.series[position % len(colours.series)]


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},.16)"


def _escape(label: str) -> str:
    """Labels are data: plotly reads a little HTML in names, so take the brackets out of its reach."""
    return label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# --- for the files of figures beside this one ----------------------------------------------------------------------


def timed_layout(colours: Palette, height: int) -> go.Layout:
    """The layout of every figure over time."""
    return _timed_layout(colours, height)


def wall_time(moment: datetime) -> datetime:
    """A moment as plotly is given it: the reader's wall time."""
    return _x(moment)

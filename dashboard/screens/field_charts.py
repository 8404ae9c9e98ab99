"""Every input in a small chart of its own: how often it was missing, out of its range, or of an unknown category; the
worst first. Part of Inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import streamlit as st

from backend.monitors.schemas import Mark, MeasureOut, Series
from dashboard.kit import address, charts, frame, selection
from dashboard.kit.text import t
from dashboard.screens import measure_chart
from dashboard.screens.measure_view import View

_COLUMNS: Final = 3
#: Drawn at once; a model may have a thousand inputs.
_SHOWN: Final = 12
_HEIGHT: Final = 150


def show(view: View, measures: Sequence[MeasureOut], marks: Sequence[Mark], chosen: selection.Range | None) -> bool:
    """The small charts; True when a field had something to show."""
    found: list[tuple[MeasureOut, Series]] = []
    for measure in measures:
        with frame.errors():
            found.append((measure, measure_chart.read(view, measure)))
    fields = by_worst(found)
    declared = [str(field["name"]) for field in view.model.inputs]
    clean = [name for name in declared if name not in fields]
    if not fields and not clean:
        return False
    st.subheader(t("inputs.fields"), anchor=False)
    if fields:
        _grid(view, fields, found, marks, chosen)
    if clean:
        st.caption(t("inputs.clean", n=len(clean), names=", ".join(clean[:60])))
    return bool(fields)


def by_worst(found: Sequence[tuple[MeasureOut, Series]]) -> list[str]:
    """The fields with any missing or strange value, those with the largest share in some bucket first."""
    worst: dict[str, float] = {}
    for _, series in found:
        for line in series.lines:
            highest = max((value for value in line.value if value), default=0.0)
            worst[line.name] = max(worst.get(line.name, 0.0), highest)
    return [name for name, share in sorted(worst.items(), key=lambda item: (-item[1], item[0])) if share > 0]


def _grid(
    view: View,
    fields: Sequence[str],
    found: Sequence[tuple[MeasureOut, Series]],
    marks: Sequence[Mark],
    chosen: selection.Range | None,
) -> None:
    address.follow_flag("every")
    is_whole = st.session_state.get("every", False)
    shown = fields if is_whole else fields[:_SHOWN]
    for first in range(0, len(shown), _COLUMNS):
        for column, name in zip(st.columns(_COLUMNS), shown[first : first + _COLUMNS], strict=False):
            with column:
                _field(view, name, found, marks, chosen)
    if len(fields) > _SHOWN:
        address.keep("every", bool(st.toggle(t("inputs.every_field", n=len(fields)), key="every")))


def _field(
    view: View,
    name: str,
    found: Sequence[tuple[MeasureOut, Series]],
    marks: Sequence[Mark],
    chosen: selection.Range | None,
) -> None:
    lines = []
    for measure, series in found:
        for points in series.lines:
            if points.name == name:
                counts = [int(n) for n in points.n]
                lines.append(
                    charts.Line(t(f"inputs.line.{measure.name}"), series.bucket_at, points.value, counts=counts)
                )
    measure_name, grain_s = f"{found[0][0].name}:{name}", found[0][1].grain_s
    st.markdown(f"`{name}` " + (lines[0].name if len(lines) == 1 else ""))
    figure = charts.time_chart(
        lines,
        unit="share",
        colours=frame.colours(),
        marks=measure_chart.drawn_marks(marks),
        window=(view.window.start, view.window.end),
        selected=measure_chart.shade_of(chosen, measure_name),
        height=_HEIGHT + (22 if len(lines) > 1 else 0),
    )
    key = f"field_{name}"
    st.plotly_chart(
        figure,
        theme=None,
        config=charts.CONFIG,
        key=key,
        on_select=selection.keeper(key, measure_name, grain_s),
        selection_mode=("points", "box"),
        alt=charts.describe(lines, "share", name),
    )

"""Health: how the model runs and how well it agrees with people, over any time range, by version and segment, against
the previous period, with releases and alerts on the charts. A box or a click on a chart leads to the rows behind it."""

from __future__ import annotations

from typing import Final

import streamlit as st

from backend.client import ApiError
from backend.monitors.schemas import MeasureOut
from dashboard.kit import frame, selection
from dashboard.kit.text import t
from dashboard.screens import inputs_outputs, measure_chart, measure_view, prediction_rows

GROUPS: Final = ("software", "agreement")
#: Left out while they are zero throughout: a model without a cache has nothing to show there.
_ONLY_WHEN_USED: Final = frozenset({"cache_hit_rate"})


def show() -> None:
    if st.query_params.get("group") in inputs_outputs.GROUPS:  # where these charts were, and links still lead
        frame.go("inputs-outputs")
    frame.page("health.title")
    view = measure_view.pick(GROUPS)
    chosen = selection.current()
    st.caption(t("health.how"))
    measures = [one for one in measure_view.measures(view) if not _is_unused(view, one)]
    marks = measure_view.marks(view)
    if not measure_chart.draw_all(view, measures, marks, chosen):
        frame.empty_state("health.empty", code=frame.first_event(view.model.name), model=view.model.shown)
        return
    frame.window_caption(view.window)
    if chosen:
        prediction_rows.show(view.model, chosen, version=view.version, segment=view.segment)


def _is_unused(view: measure_view.View, measure: MeasureOut) -> bool:
    if measure.name not in _ONLY_WHEN_USED:
        return False
    try:
        series = measure_chart.read(view, measure)
    except ApiError:
        return False  # said where its chart would be
    return not any(value for line in series.lines for value in line.value)

"""Inputs and outputs: what goes into the model and what comes out, field by field: missing and strange values, what
pictures and sounds are like, numbers that callers send, answers with their scores, and what became of them."""

from __future__ import annotations

from typing import Final

from backend.monitors.schemas import MeasureOut
from dashboard.kit import frame, selection
from dashboard.screens import field_charts, measure_chart, measure_view, prediction_rows
from dashboard.screens.measure_view import View

GROUPS: Final = ("input", "media", "metric", "output", "feedback")
#: Kinds of item whose files are measured.
_WITH_MEDIA: Final = ("image", "audio", "text")


def show() -> None:
    frame.page("inputs.title", "inputs.how")
    view = measure_view.pick(GROUPS)
    chosen = selection.current()
    if view.group == "media" and view.model.item_kind not in _WITH_MEDIA:
        frame.empty_state("inputs.empty.no_media", model=view.model.shown)
        return
    measures = measure_view.measures(view)
    marks = measure_view.marks(view)
    whole = [one for one in measures if not _is_by_field(one)]
    has_data = measure_chart.draw_all(view, whole, marks, chosen)
    if view.group == "input":
        has_data |= field_charts.show(view, [one for one in measures if _is_by_field(one)], marks, chosen)
    if not has_data:
        _nothing(view)
        return
    frame.window_caption(view.window)
    if chosen:
        prediction_rows.show(view.model, chosen, version=view.version, segment=view.segment)


def _is_by_field(measure: MeasureOut) -> bool:
    """Shares per field are drawn field by field, all of one field in one small chart."""
    return measure.dimension == "field" and measure.unit == "share"


def _nothing(view: View) -> None:
    frame.empty_state(f"inputs.empty.{view.group}", code=_example(view), model=view.model.shown)


def _example(view: View) -> str | None:
    """The call that would fill this place."""
    name = view.model.name
    if view.group == "feedback":
        body = '{"prediction_id": "ID", "name": "clicked"}'
        return frame.call("/v1/feedback?model=" + name, body)
    if view.group == "metric":
        body = f'{{"model": "{name}", "version": "v1", "prediction": "OK", "metrics": {{"queue_length": 4}}}}'
        return frame.call("/v1/predictions", body)
    return frame.first_event(name) if view.group in ("input", "output") else None

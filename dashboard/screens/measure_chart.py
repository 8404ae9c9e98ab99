"""One measure of the catalogue as a chart: its lines, gaps, the period before, marks, and the selection that leads to
the rows. Used by Health and by Inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from backend.client import ApiError
from backend.monitors.schemas import Mark, MeasureOut, Points, Series
from dashboard.kit import charts, data, frame, grain, selection
from dashboard.kit.data import ModelInfo
from dashboard.kit.text import t, t_or
from dashboard.screens.measure_view import View


def draw_all(view: View, measures: Sequence[MeasureOut], marks: Sequence[Mark], chosen: selection.Range | None) -> bool:
    """Charts of those measures that have values, two beside each other; the others are named. True if any was drawn."""
    shown: list[tuple[MeasureOut, Series]] = []
    empty: list[tuple[MeasureOut, Series]] = []
    for measure in measures:
        try:
            series = read(view, measure)
        except ApiError as error:
            frame.show_error(error)
            if error.status == 401:
                st.stop()
            continue
        (shown if has_values(series) else empty).append((measure, series))
    for first in range(0, len(shown), 2):
        for column, (measure, series) in zip(st.columns(2), shown[first : first + 2], strict=False):
            with column, frame.errors():
                draw(view, measure, series, marks, chosen)
    if shown and empty:
        st.caption(t("health.not_measured", names=", ".join(t(measure.title_key) for measure, _ in empty)))
    return bool(shown)


def has_values(series: Series) -> bool:
    """Whether there is anything to draw: a count of nothing at all is none."""
    if series.unit == "count" and series.chart == "stacked":
        return any(value for line in series.lines for value in line.value)
    return any(value is not None for line in series.lines for value in line.value)


def read(view: View, measure: MeasureOut) -> Series:
    """The measure's lines; where people's decisions are behind them, in buckets that hold enough of those."""
    if view.grain_s is not None or measure.group != "agreement":
        return _ask(view, measure, view.grain_s or view.window.grain_s)
    grain_s = max(view.window.grain_s, grain.first(view.window.length))
    found = _ask(view, measure, grain_s)
    wider = grain.wider(grain_s, (n for line in found.lines for n in line.n), view.window.length)
    return found if wider is None else _ask(view, measure, wider)


def draw(
    view: View, measure: MeasureOut, series: Series, marks: Sequence[Mark], chosen: selection.Range | None
) -> None:
    """One measure with its heading."""
    is_door = measure.source == "ingestion" and view.is_narrowed
    help_text = t(measure.description_key) + (" " + t("health.of_all_rows") if is_door else "")
    st.markdown(f"**{t(measure.title_key)}**", help=help_text)
    figure, alt = _figure(view, measure, series, marks, shade_of(chosen, measure.name))
    if series.n_left_out:
        st.caption(t("health.left_out", n=series.n_left_out))
    key = f"chart_{measure.name}"
    st.plotly_chart(
        figure,
        theme=None,
        config=charts.CONFIG,
        key=key,
        on_select=selection.keeper(key, measure.name, series.grain_s),
        selection_mode=("points", "box"),
        alt=alt,
    )


def shade_of(chosen: selection.Range | None, measure: str) -> tuple[Any, Any] | None:
    """The selected stretch, where it was selected on this chart."""
    return (chosen.start, chosen.end) if chosen and chosen.measure in (measure, "") else None


def drawn_marks(marks: Sequence[Mark], measure: str = "") -> list[charts.Mark]:
    """Releases, and the alerts of this measure, as the figures draw them."""
    shown = [mark for mark in marks if mark.kind != "alert" or mark.details.get("measure") == measure]
    return [charts.Mark(mark.at, mark_name(mark), mark.kind) for mark in shown]


def mark_name(mark: Mark) -> str:
    """What a chart calls it: default rules in the reader's language."""
    name = mark.name or t("common.unknown")
    return t_or(f"alerts.template.{name}", name) if mark.kind == "alert" else name


def _ask(view: View, measure: MeasureOut, grain_s: int) -> Series:
    is_whole = measure.dimension is not None or measure.chart == "heatmap"
    is_door = measure.source == "ingestion"  # refused rows have no version and no segment
    return data.read(
        lambda api: api.monitors.series(
            view.model.name,
            measure.name,
            view.window.start,
            view.window.end,
            grain_s=grain_s,
            split=None if is_whole or is_door else view.split,
            version=None if is_door else view.version,
            segments=dict([view.segment]) if view.segment and not is_door else None,
            previous=view.with_previous and measure.chart == "line" and not is_whole,
        ),
        "series",
        measure.name,
        grain_s,
        *view.key,
    )


def _figure(
    view: View, measure: MeasureOut, series: Series, marks: Sequence[Mark], shade: tuple[Any, Any] | None
) -> tuple[Any, str]:
    window = (view.window.start, view.window.end)
    title = t(measure.title_key)
    if measure.chart == "heatmap":
        bands = sorted(series.lines, key=lambda line: float(line.name))
        suffix = " ms" if measure.dimension == "band_ms" else ""
        figure = charts.heat_over_time(
            series.bucket_at,
            [f"{float(line.name):g}{suffix}" for line in bands],
            [line.value for line in bands],
            colours=frame.colours(),
            window=window,
        )
        return figure, f"{title}. {t(measure.description_key)}"
    lines = [_line(view.model, measure, series, points) for points in series.lines]
    previous = [_line(view.model, measure, series, points, is_previous=True) for points in series.previous or []]
    common: dict[str, Any] = {
        "unit": measure.unit,
        "colours": frame.colours(),
        "marks": drawn_marks(marks, measure.name),
        "window": window,
        "selected": shade,
    }
    if measure.chart == "stacked":
        figure = charts.stacked_bars(series.bucket_at, {line.name: line.values for line in lines}, **common)
    else:
        filled = measure.chart == "area" and len(lines) == 1
        is_from_zero = measure.unit in ("count", "share", "ms", "per_second", "bytes", "s", "chars")
        figure = charts.time_chart([*lines, *previous], filled=filled, zero=is_from_zero, **common)
        if not is_from_zero:
            _keep_noise_small(figure, [*lines, *previous])
    return figure, charts.describe(lines, measure.unit, title)


def _keep_noise_small(figure: Any, lines: Sequence[charts.Line]) -> None:
    """An axis that does not begin at zero spans a twentieth of the values at least: less is noise made large."""
    known = [value for line in lines for value in line.values if value is not None]
    if not known:
        return
    low, high = min(known), max(known)
    least = 0.05 * max(abs(low), abs(high))
    if least > 0 and high - low < least:
        middle = (low + high) / 2
        figure.update_yaxes(range=[middle - least / 2, middle + least / 2])


def _line(
    model: ModelInfo, measure: MeasureOut, series: Series, points: Points, *, is_previous: bool = False
) -> charts.Line:
    return charts.Line(
        line_name(model, measure, series.split, points.name),
        series.bucket_at,
        points.value,
        low=None if is_previous or len(series.lines) > 3 else points.lower,
        high=None if is_previous or len(series.lines) > 3 else points.upper,
        counts=[int(n) for n in points.n],
        is_previous=is_previous,
    )


def line_name(model: ModelInfo, measure: MeasureOut, split: str | None, name: str) -> str:
    """What a line is called: a label, a role or a reason in the reader's words, anything else as it is."""
    if measure.dimension == "label":
        return model.label_shown(name)
    if measure.dimension == "reason":
        return t_or(f"ingestion.reason.{name}", t_or(f"ingestion.reason.shadow_{name}", name))
    if split == "role":
        return t_or(f"common.role.{name}", name)
    return name or t(measure.title_key)

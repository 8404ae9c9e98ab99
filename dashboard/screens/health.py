"""Health: every measure of the catalogue over any time range, by version and segment, against the previous period,
with the releases on it. Box-select or click a chart, and the rows behind it appear below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import streamlit as st

from backend.client import ApiError
from backend.monitors.schemas import Mark, MeasureOut, Points, Series
from dashboard.kit import address, charts, data, frame, grain, selection
from dashboard.kit.data import ModelInfo
from dashboard.kit.frame import Window
from dashboard.kit.text import t, t_or
from dashboard.screens import prediction_rows

GROUPS: Final = ("software", "input", "output", "agreement")
_EVERYTHING: Final = "-"
#: Left out while they are zero throughout: a model without a cache has nothing to show there.
_ONLY_WHEN_USED: Final = frozenset({"cache_hit_rate"})


@dataclass(frozen=True, slots=True)
class View:
    """What the screen is asked to show; all of it is in the URL."""

    model: ModelInfo
    window: Window
    group: str
    split: str | None
    version: str | None
    segment: tuple[str, str] | None
    with_previous: bool

    @property
    def key(self) -> tuple[Any, ...]:
        parts = (self.split, self.version, self.segment, self.with_previous)
        return (self.model.name, *self.window.key, *parts)


def show() -> None:
    frame.page("health.title")
    view = _pick()
    chosen = selection.current()
    measures = [measure for measure in _measures() if measure.group == view.group]
    measures = [measure for measure in measures if not _is_unused(view, measure)]
    marks = _marks(view)
    st.caption(t("health.how"))
    has_data = False
    for first in range(0, len(measures), 2):
        for column, measure in zip(st.columns(2), measures[first : first + 2], strict=False):
            with column, frame.errors():
                has_data |= _chart(view, measure, marks, chosen)
    if not has_data:
        frame.empty_state("health.empty", code=frame.first_event(view.model.name), model=view.model.shown)
        return
    frame.window_caption(view.window)
    if chosen:
        prediction_rows.show(view.model, chosen, version=view.version, segment=view.segment)


def _pick() -> View:
    top = st.columns([1.3, 1, 2.2], vertical_alignment="bottom")
    model = frame.model_picker(top[0])
    window = frame.time_range(top[1])
    with top[2]:
        address.follow("group", GROUPS, GROUPS[0])
        group = st.segmented_control(
            t("health.group"),
            list(GROUPS),
            required=True,
            format_func=lambda name: t(f"health.groups.{name}"),
            key="group",
        )
        address.keep("group", group, GROUPS[0])
    below = st.columns([1.3, 1, 1.2, 1], vertical_alignment="bottom")
    split = _split_picker(model, below[0])
    version = _version_picker(model, below[1])
    segment = _segment_picker(model, below[2])
    address.follow_flag("prev")
    previous = below[3].toggle(t("common.previous"), key="prev")
    address.keep("prev", bool(previous))
    return View(model, window, group or GROUPS[0], split, version, segment, bool(previous))


def _split_picker(model: ModelInfo, where: Any) -> str | None:
    options = [_EVERYTHING, "version", "role", *(f"segment:{key}" for key in model.segment_keys)]
    picked = frame.choice("health.split", options, key="split", shown=_split_name, where=where)
    return None if picked == _EVERYTHING else picked


def _split_name(option: str) -> str:
    if option.startswith("segment:"):
        return t("health.by_segment", name=option.removeprefix("segment:"))
    return t("health.not_split") if option == _EVERYTHING else t(f"health.by_{option}")


def _version_picker(model: ModelInfo, where: Any) -> str | None:
    versions = data.versions(model.name)
    if not versions:
        return None
    options = [_EVERYTHING, *versions]
    picked = frame.choice("common.version", options, key="version", shown=_or_all, where=where)
    return None if picked == _EVERYTHING else picked


def _segment_picker(model: ModelInfo, where: Any) -> tuple[str, str] | None:
    """One value of one segment key; the values are those seen in the window's lines."""
    if not model.segment_keys:
        return None
    options = [_EVERYTHING, *data.segment_values(model)]
    picked = frame.choice("common.segment", options, key="segment", shown=_or_all, where=where)
    if not picked or picked == _EVERYTHING:
        return None
    key, _, value = picked.partition("=")
    return key, value


def _or_all(option: str) -> str:
    return t("common.all") if option == _EVERYTHING else option


def _measures() -> list[MeasureOut]:
    return data.read(lambda api: api.monitors.measures(), "measures")


def _marks(view: View) -> list[Mark]:
    """What happened in the window: new versions, and rollouts that changed who answers."""
    earlier = view.window.start - timedelta(days=366)  # to know who answered when the window begins
    found = data.read(
        lambda api: api.monitors.marks(view.model.name, earlier, view.window.end),
        "marks",
        view.model.name,
        *view.window.key,
    )
    kept, champion = [], None
    for mark in found:
        is_change = mark.kind != "rollout" or mark.name != champion
        champion = mark.name if mark.kind == "rollout" else champion
        if is_change and mark.at >= view.window.start:
            kept.append(mark)
    return kept


def _is_unused(view: View, measure: MeasureOut) -> bool:
    if measure.name not in _ONLY_WHEN_USED:
        return False
    try:
        series = _series(view, measure)
    except ApiError:
        return False  # said where its chart would be
    return not any(value for line in series.lines for value in line.value)


def _chart(view: View, measure: MeasureOut, marks: Sequence[Mark], chosen: selection.Range | None) -> bool:
    """One measure; True when there was something to draw."""
    series = _series(view, measure)
    title = t(measure.title_key)
    st.markdown(f"**{title}**", help=t(measure.description_key))
    if not any(any(value is not None for value in line.value) for line in series.lines):
        st.caption(t("health.no_points"))
        return False
    is_chosen = chosen is not None and chosen.measure in (measure.name, "")
    shade = (chosen.start, chosen.end) if chosen and is_chosen else None
    drawn = _figure(view, measure, series, marks, shade)
    if series.n_left_out:
        st.caption(t("health.left_out", n=series.n_left_out))
    event = st.plotly_chart(
        drawn[0],
        theme=None,
        config=charts.CONFIG,
        key=f"chart_{measure.name}",
        on_select="rerun",
        selection_mode=("points", "box"),
        alt=drawn[1],
    )
    selection.take(event, measure.name, series.grain_s)
    return True


def _series(view: View, measure: MeasureOut) -> Series:
    """The measure's lines; where people's decisions are behind them, in buckets that hold enough of those."""
    if measure.group != "agreement":
        return _ask(view, measure, view.window.grain_s)
    grain_s = max(view.window.grain_s, grain.first(view.window.length))
    found = _ask(view, measure, grain_s)
    wider = grain.wider(grain_s, (n for line in found.lines for n in line.n), view.window.length)
    return found if wider is None else _ask(view, measure, wider)


def _ask(view: View, measure: MeasureOut, grain_s: int) -> Series:
    split = view.split if measure.dimension is None and measure.chart != "heatmap" else None
    return data.read(
        lambda api: api.monitors.series(
            view.model.name,
            measure.name,
            view.window.start,
            view.window.end,
            grain_s=grain_s,
            split=split,
            version=view.version,
            segments=dict([view.segment]) if view.segment else None,
            previous=view.with_previous and measure.chart == "line",
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
        figure = charts.heat_over_time(
            series.bucket_at,
            [f"{float(line.name):g} ms" for line in bands],
            [line.value for line in bands],
            colours=frame.colours(),
            window=window,
        )
        return figure, f"{title}. {t(measure.description_key)}"
    lines = [_line(view.model, measure, series, points) for points in series.lines]
    previous = [_line(view.model, measure, series, points, is_previous=True) for points in series.previous or []]
    drawn = [charts.Mark(mark.at, _mark_name(mark), mark.kind) for mark in marks if _belongs(mark, measure)]
    common: dict[str, Any] = {
        "unit": measure.unit,
        "colours": frame.colours(),
        "marks": drawn,
        "window": window,
        "selected": shade,
    }
    if measure.chart == "stacked":
        figure = charts.stacked_bars(series.bucket_at, {line.name: line.values for line in lines}, **common)
    else:
        filled = measure.chart == "area" and len(lines) == 1
        figure = charts.time_chart([*lines, *previous], filled=filled, **common)
    return figure, charts.describe(lines, measure.unit, title)


def _line(
    model: ModelInfo, measure: MeasureOut, series: Series, points: Points, *, is_previous: bool = False
) -> charts.Line:
    return charts.Line(
        _line_name(model, measure, series.split, points.name),
        series.bucket_at,
        points.value,
        low=None if is_previous or len(series.lines) > 3 else points.lower,
        high=None if is_previous or len(series.lines) > 3 else points.upper,
        counts=[int(n) for n in points.n],
        is_previous=is_previous,
    )


def _line_name(model: ModelInfo, measure: MeasureOut, split: str | None, name: str) -> str:
    if measure.dimension == "label":
        return model.label_shown(name)
    if split == "role":
        return t_or(f"common.role.{name}", name)
    return name or t(measure.title_key)


def _belongs(mark: Mark, measure: MeasureOut) -> bool:
    """Releases are on every chart, an alert is on the chart of its own measure."""
    return mark.kind != "alert" or mark.details.get("measure") == measure.name


def _mark_name(mark: Mark) -> str:
    if mark.kind == "alert":
        return t_or(f"alerts.template.{mark.name}", mark.name or "")
    return mark.name or t("common.unknown")

"""Performance: how good the model was, by the time of its predictions: from labels, from few reviews, and without
labels; what late labels changed, when it changed, and where it is worst. As known now or on any past day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import streamlit as st

from backend.client import ApiError
from backend.performance.schemas import ChangeOut, Figure, Performance
from dashboard.kit import address, charts, data, frame, grain, performance_charts, selection, values
from dashboard.kit.charts import Line, Mark
from dashboard.kit.data import ModelInfo
from dashboard.kit.frame import Window
from dashboard.kit.performance_charts import Course
from dashboard.kit.tables import table
from dashboard.kit.text import reader, t, t_or
from dashboard.screens import embedding_drift, performance_slices, prediction_rows
from dashboard.screens.measure_chart import mark_name

_ALL: Final = "-"
_GRAINS: Final = {"auto": 0, "hour": 3600, "day": 86_400, "week": 604_800}


@dataclass(frozen=True, slots=True)
class View:
    """What the screen is asked to show; all of it is in the URL."""

    model: ModelInfo
    window: Window
    metric: str | None
    grain_s: int
    version: str | None
    segment: tuple[str, str] | None
    as_of: datetime | None
    clock: str

    @property
    def key(self) -> tuple[Any, ...]:
        moment = self.as_of.isoformat() if self.as_of else None
        return (self.model.name, *self.window.key, self.version, self.segment, moment, self.clock)

    @property
    def filters(self) -> dict[str, Any]:
        """The options that every call takes."""
        return {
            "version": self.version,
            "segments": dict([self.segment]) if self.segment else None,
            "as_of": self.as_of,
            "clock": self.clock,
        }


def show() -> None:
    frame.page("performance.title")
    view = _pick()
    found = _load(view)
    if not found.n:
        frame.empty_state("performance.empty", code=frame.first_event(view.model.name), model=view.model.shown)
        return
    _replay_note(found)
    _headline(found)
    changes = _changes(view)
    _course(view, found, changes)
    if not found.n_labels and not any(one.value is not None for one in found.estimates):
        frame.empty_state("performance.no_labels", action=("performance.no_labels.action", "inspect"))
    _coverage_and_lag(view, found)
    _estimates(found)
    _change_list(changes, found.unit)
    with frame.errors():
        performance_slices.show(view.model, view.window, view.filters, view.key)
    if view.model.item_kind in embedding_drift.KINDS:
        with frame.errors():
            embedding_drift.show(view.model, view.window)
    frame.window_caption(view.window)
    chosen = selection.current()
    if chosen:
        prediction_rows.show(view.model, chosen, version=view.version, segment=view.segment)


# --- what is asked -------------------------------------------------------------------------------------------------


def _pick() -> View:
    top = st.columns([1.3, 1, 1.2, 1], vertical_alignment="bottom")
    model = frame.model_picker(top[0])
    window = frame.time_range(top[1], default="30d")
    metric = _metric_picker(model, top[2])
    width = frame.choice(
        "performance.grain", list(_GRAINS), key="grain", shown=lambda g: t(f"performance.grains.{g}"), where=top[3]
    )
    below = st.columns([1, 1.2, 1.1, 1.2], vertical_alignment="bottom")
    version = _optional("common.version", data.versions(model.name), "version", below[0])
    picked = _optional("common.segment", data.segment_values(model) if model.segment_keys else [], "segment", below[1])
    key, _, value = (picked or "").partition("=")
    as_of = _as_of(below[2])
    clock = frame.choice(
        "performance.clock",
        ["logged", "resolved"],
        key="clock",
        shown=lambda name: t(f"performance.clocks.{name}"),
        where=below[3],
        help_key="performance.clock_help",
    )
    seconds = _GRAINS[width or "auto"]
    segment = (key, value) if picked else None
    return View(model, window, metric, seconds, version, segment, as_of, clock or "logged")


def _metric_picker(model: ModelInfo, where: Any) -> str | None:
    numeric = model.output_kind == "number"
    has_positive = any(label.is_defect for label in model.labels) or len(model.labels) == 2
    shares = ["accuracy", "escape_rate", "overkill_rate", "auc"] if has_positive else ["accuracy"]
    names = ["mae", "bias"] if numeric else shares
    return frame.choice(
        "performance.metric",
        names,
        key="metric",
        shown=lambda name: t(f"performance.metrics.{name}.title"),
        where=where,
        help_key="performance.metric_help",
    )


def _optional(label: str, options: list[str], key: str, where: Any) -> str | None:
    if not options:
        return None
    picked = frame.choice(
        label, [_ALL, *options], key=key, shown=lambda o: t("common.all") if o == _ALL else o, where=where
    )
    return None if picked == _ALL else picked


def _as_of(where: Any) -> datetime | None:
    """The end of a past day in the reader's zone, or None for now."""
    today = datetime.now(UTC).astimezone(reader().zone).date()
    asked = st.query_params.get("asof")
    if "asof_day" not in st.session_state:
        st.session_state["asof_day"] = _day(asked)
    day = where.date_input(
        t("performance.as_of"), max_value=today, key="asof_day", format="DD/MM/YYYY", help=t("performance.as_of_help")
    )
    is_past = isinstance(day, date) and day < today
    address.keep("asof", day.isoformat() if is_past else None)
    if not is_past:
        return None
    midnight = datetime.combine(day + timedelta(days=1), time(), tzinfo=reader().zone)
    return midnight.astimezone(UTC)


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _load(view: View) -> Performance:
    """The course, cut into buckets that hold enough labels unless a width was chosen."""
    if view.grain_s:
        return _ask(view, view.grain_s)
    width = grain.first(view.window.length)
    found = _ask(view, width)
    wider = grain.wider(width, (max(point.n_labels, point.reviewed.n) for point in found.points), view.window.length)
    return found if wider is None else _ask(view, wider)


def _ask(view: View, grain_s: int) -> Performance:
    return data.read(
        lambda api: api.performance.over_time(
            view.model.name,
            view.window.start,
            view.window.end,
            metric=view.metric,
            grain_s=grain_s,
            **view.filters,
        ),
        "performance",
        view.metric,
        grain_s,
        *view.key,
    )


def _changes(view: View) -> list[ChangeOut]:
    """Changes of the error; where they cannot be looked for, the lines are shown without them."""
    try:
        found = data.read_slow(
            lambda api: api.performance.changes(view.model.name, view.window.start, view.window.end, **view.filters),
            "changes",
            *view.key,
        )
    except ApiError as error:
        frame.show_error(error)
        return []
    return found.changes


# --- what is shown -------------------------------------------------------------------------------------------------


def _replay_note(found: Performance) -> None:
    if found.is_replay:
        st.info(t("performance.replay", at=values.moment(found.as_of)), icon=":material/history:")


def _headline(found: Performance) -> None:
    """The whole screen in a few sentences."""
    unit, metric = found.unit, t(f"performance.metrics.{found.metric}.title")
    parts = [t("performance.headline.coverage", share=values.percent(found.coverage), n=found.n)]
    parts.append(_sentence("realised", found.realised, unit, metric))
    best = next((one for one in found.estimates if one.value is not None), None)
    if best is not None:
        figure = Figure(value=best.value, lower=best.lower, upper=best.upper, n=best.n_labels)
        parts.append(_sentence("reviewed", figure, unit, metric))
    parts.append(_sentence("expected", found.label_free.figure, unit, metric))
    revised = sum(point.before is not None for point in found.points)
    if revised:
        parts.append(t("performance.headline.revised", n=revised, at=values.date(found.revised_since)))
    if found.n_unknown_labels:
        parts.append(t("performance.headline.unknown_labels", n=found.n_unknown_labels))
    st.markdown(" ".join(parts))


def _sentence(kind: str, figure: Figure, unit: str, metric: str) -> str:
    if figure.value is None:
        return t(f"performance.headline.no_{kind}", reason=_reason(figure.reason))
    return t(f"performance.headline.{kind}", metric=metric, value=written(figure, unit), n=figure.n)


def written(figure: Any, unit: str) -> str:
    """A value with its interval, as the reader writes it."""
    value = number(figure.value, unit)
    if figure.lower is None or figure.upper is None:
        return f"**{value}**"
    return f"**{value}** [{number(figure.lower, unit)}; {number(figure.upper, unit)}]"


def number(value: float | None, unit: str) -> str:
    """A value in the unit of its metric."""
    return values.percent(value) if unit == "share" else values.number(value, 3 if unit == "score" else None)


def _reason(reason: str | None) -> str:
    return t_or(f"performance.reasons.{reason}", str(reason))


def _course(view: View, found: Performance, changes: list[ChangeOut]) -> None:
    metric = t(f"performance.metrics.{found.metric}.title")
    realised = _line("realised", found, "realised")
    reviewed, expected = (_optional_line(kind, found, kind) for kind in ("reviewed", "expected"))
    lines = [line for line in (realised, reviewed, expected) if line is not None]
    if all(value is None for line in lines for value in line.values):
        return
    st.markdown(f"**{metric}**", help=t(f"performance.metrics.{found.metric}.description"))
    shown = Course(
        realised.at,
        realised,
        reviewed,
        expected,
        thin=[i for i, point in enumerate(found.points) if point.is_thin],
        revised=[
            (i, point.before.value, point.before.n_labels)
            for i, point in enumerate(found.points)
            if point.before is not None
        ],
        marks=_marks(view, changes),
    )
    chosen = selection.current()
    shade = (chosen.start, chosen.end) if chosen else None
    figure = performance_charts.course(
        shown,
        unit=found.unit,
        colours=frame.colours(),
        window=(view.window.start, view.window.end),
        selected=shade,
    )
    key = "performance_course"
    st.plotly_chart(
        figure,
        theme=None,
        config=charts.CONFIG,
        key=key,
        on_select=selection.keeper(key, "performance", found.grain_s),
        selection_mode=("points", "box"),
        alt=charts.describe(lines, found.unit, metric),
    )
    notes = [t("performance.how_thin", share=values.percent(found.min_coverage, 0))]
    if found.label_free.figure.value is not None:
        notes.append(_calibrated(found))
    st.caption(" ".join(notes))


def _calibrated(found: Performance) -> str:
    free = found.label_free
    parts = [
        t(
            "performance.calibrated",
            n=free.n_calibration,
            start=values.date(free.calibrated_from),
            end=values.date(free.calibrated_to),
        )
    ]
    return " ".join([*parts, *(t_or(f"performance.warnings.{name}", name) for name in free.warnings)])


def _line(kind: str, found: Performance, name: str) -> Line:
    figures = [getattr(point, name) for point in found.points]
    return Line(
        t(f"performance.lines.{kind}"),
        [point.bucket_at for point in found.points],
        [figure.value for figure in figures],
        low=[figure.lower for figure in figures],
        high=[figure.upper for figure in figures],
        counts=[figure.n for figure in figures],
    )


def _optional_line(kind: str, found: Performance, name: str) -> Line | None:
    line = _line(kind, found, name)
    if kind == "expected":
        line = replace(line, low=None, high=None)
    return line if any(value is not None for value in line.values) else None


def _marks(view: View, changes: list[ChangeOut]) -> list[Mark]:
    """Releases, and changes of the error where they began."""
    try:
        found = data.read(
            lambda api: api.monitors.marks(view.model.name, view.window.start, view.window.end),
            "marks",
            view.model.name,
            *view.window.key,
            "performance",
        )
    except ApiError:
        found = []
    marks, champion = [], None
    for mark in found:
        if mark.kind != "rollout" or mark.name != champion:
            marks.append(Mark(mark.at, mark_name(mark), mark.kind))
        champion = mark.name if mark.kind == "rollout" else champion
    for change in changes:
        direction = "worse" if change.is_worse else "better"
        kind = "alert" if change.is_worse else "release"
        marks.append(Mark(change.began_at, t(f"performance.{direction}_from"), kind))
        marks.append(Mark(change.found_at, t("performance.found"), kind))
    return marks


def _coverage_and_lag(view: View, found: Performance) -> None:
    left, right = st.columns(2)
    at, window = [point.bucket_at for point in found.points], (view.window.start, view.window.end)
    with left:
        st.markdown(f"**{t('performance.coverage')}**", help=t("performance.coverage_help"))
        figure = performance_charts.coverage(
            at,
            [point.coverage for point in found.points],
            [(point.n_labels, point.n) for point in found.points],
            [point.is_thin for point in found.points],
            colours=frame.colours(),
            window=window,
        )
        st.plotly_chart(figure, theme=None, config=charts.CONFIG, key="coverage", alt=t("performance.coverage_help"))
    with right:
        st.markdown(f"**{t('performance.lag')}**", help=t("performance.lag_help"))
        if found.lag_p50_s is None:
            st.caption(t("performance.no_lag"))
            return
        figure = performance_charts.lag(
            at,
            [point.lag_p50_s for point in found.points],
            [point.lag_p90_s for point in found.points],
            names=(t("performance.lag_p50"), t("performance.lag_p90")),
            colours=frame.colours(),
            window=window,
        )
        st.plotly_chart(figure, theme=None, config=charts.CONFIG, key="lag", alt=t("performance.lag_help"))


def _estimates(found: Performance) -> None:
    """Every way to estimate from few reviews, side by side."""
    if not found.estimates:
        return
    with st.expander(t("performance.estimates"), icon=":material/calculate:"):
        st.caption(t("performance.estimates_how"))
        rows = []
        for one in found.estimates:
            notes = [t_or(f"performance.warnings.{name}", name) for name in one.warnings]
            notes += [_reason(one.reason)] if one.reason else []
            rows.append(
                {
                    t("performance.method"): t(f"performance.methods.{one.method}"),
                    t("performance.value"): number(one.value, found.unit),
                    t("performance.interval"): _interval(one.lower, one.upper, found.unit),
                    t("performance.n_labels"): values.number(one.n_labels),
                    t("performance.notes"): " ".join(notes),
                }
            )
        table(rows, alt=t("performance.estimates"))


def _interval(low: float | None, high: float | None, unit: str) -> str:
    if low is None or high is None:
        return values.NOTHING
    return f"{number(low, unit)} – {number(high, unit)}"


def _change_list(changes: list[ChangeOut], unit: str) -> None:
    if not changes:
        st.caption(t("performance.no_changes"))
        return
    shown = "number" if unit == "number" else "share"
    for change in changes:
        text = t(
            "performance.change",
            direction=t(f"performance.{'worse' if change.is_worse else 'better'}"),
            began=values.moment(change.began_at),
            found=values.moment(change.found_at),
            known=values.moment(change.known_at),
            before=number(change.before, shown),
            after=number(change.after, shown),
        )
        icon = ":material/trending_down:" if change.is_worse else ":material/trending_up:"
        st.markdown(f"{icon} {text}")

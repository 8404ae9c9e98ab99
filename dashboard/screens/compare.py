"""Compare: two judges on the same subjects. How often they agree and how sure that is, where they differ, over time and
by segment, how often two people agree with each other, and the items behind every number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from backend.comparisons.schemas import Comparison, JudgeOut
from dashboard.kit import charts, data, frame, grain, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.frame import Window
from dashboard.kit.text import t, t_or
from dashboard.screens import compare_items, compare_tables

#: Below this many items the numbers say little, and the screen says so.
_FEW: Final = 30


@dataclass(frozen=True, slots=True)
class Question:
    """Who is compared with whom, about what; all of it is in the URL."""

    model: ModelInfo
    window: Window
    a: JudgeOut
    b: JudgeOut
    seen: str
    segments: tuple[tuple[str, str], ...]

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.model.name, *self.window.key, self.a.judge, self.b.judge, self.seen, self.segments)


def show() -> None:
    frame.page("compare.title")
    question = _pick()
    found = _compare(question)
    if not found.n:
        frame.empty_state(
            "compare.empty", action=("compare.empty.action", "inspect"), a=name(question.a), b=name(question.b)
        )
        return
    _numbers(question, found)
    left, right = st.columns([1, 1.25])
    with left:
        _matrix(question, found)
    with right:
        _over_time(question, found)
    compare_tables.show(question.model, found, name(question.a), name(question.b), frame.colours())
    compare_items.show(question, name(question.a), name(question.b))
    frame.window_caption(question.window)


def _compare(question: Question) -> Comparison:
    """The comparison, cut into buckets that hold enough items for an interval worth drawing."""
    grain_s = grain.first(question.window.length)
    found = _ask(question, grain_s)
    wider = grain.wider(grain_s, (point.agreement.n for point in found.over_time), question.window.length)
    return found if wider is None else _ask(question, wider)


def _ask(question: Question, grain_s: int) -> Comparison:
    return data.read(
        lambda api: api.comparisons.compare(
            question.model.name,
            question.a.judge,
            question.b.judge,
            question.window.start,
            question.window.end,
            segments=dict(question.segments),
            seen=question.seen,  # type: ignore[arg-type]
            grain_s=grain_s,
        ),
        "compare",
        *question.key,
        grain_s,
    )


def name(judge: JudgeOut) -> str:
    """A judge as the reader calls it."""
    if judge.kind in {"people", "truth"}:
        return t(f"compare.judge.{judge.kind}")
    if judge.kind in {"version", "inspector"}:
        return t(f"compare.judge.{judge.kind}", name=judge.title)
    return judge.title


def _pick() -> Question:
    top = st.columns([1.2, 1, 1.2, 1.2], vertical_alignment="bottom")
    model = frame.model_picker(top[0])
    window = frame.time_range(top[1], default="30d")
    judges = data.read(lambda api: api.comparisons.judges(model.name), "judges", model.name)
    if len(judges) < 2:
        frame.stop_with("compare.no_judges", model=model.shown)
    by_id = {judge.judge: judge for judge in judges}
    first, second = _default_pair(judges, data.champion(model.name))
    a = _judge_picker("compare.first", by_id, "a", first, top[2])
    b = _judge_picker("compare.second", by_id, "b", second, top[3])
    below = st.columns([1.2, 1, 2.4], vertical_alignment="bottom")
    segments = _segment_picker(model, below[0])
    seen = frame.choice(
        "compare.seen",
        ["blind", "any"],
        key="seen",
        shown=lambda option: t(f"compare.seen_{option}"),
        where=below[1],
        help_key="compare.seen_help",
    )
    return Question(model, window, by_id[a], by_id[b], seen or "blind", segments)


def _judge_picker(label: str, by_id: dict[str, JudgeOut], key: str, default: str, where: Any) -> str:
    options = list(by_id)
    return (
        frame.choice(label, options, key=key, shown=lambda i: name(by_id[i]), default=default, where=where) or default
    )


def _default_pair(judges: list[JudgeOut], champion: str | None) -> tuple[str, str]:
    """The champion against people, which is what most people come for."""
    ids = [judge.judge for judge in judges]
    versions = [judge.judge for judge in judges if judge.kind == "version"]
    wanted = f"version:{champion}"
    first = wanted if wanted in versions else versions[0] if versions else ids[0]
    second = "people" if "people" in ids and first != "people" else next(i for i in ids if i != first)
    return first, second


def _segment_picker(model: ModelInfo, where: Any) -> tuple[tuple[str, str], ...]:
    if not model.segment_keys:
        return ()
    options = ["-", *data.segment_values(model)]
    picked = frame.choice(
        "common.segment", options, key="segment", shown=lambda o: t("common.all") if o == "-" else o, where=where
    )
    if not picked or picked == "-":
        return ()
    key, _, value = picked.partition("=")
    return ((key, value),)


def _numbers(question: Question, found: Comparison) -> None:
    cells = st.columns([1.4, 1, 1, 1.4, 1.4])
    of_all, of_reviewed = found.agreement_of_all, found.agreement
    agreement = of_all or of_reviewed
    interval = values.interval(agreement.lower, agreement.upper)
    help_key = "compare.agreement_of_all_help" if of_all else "compare.agreement_help"
    cells[0].metric(t("compare.agreement"), values.percent(agreement.value), help=t(help_key))
    cells[0].caption(
        t("compare.interval_of_all", interval=interval, share=values.percent(of_reviewed.value))
        if of_all
        else t("compare.interval", interval=interval)
    )
    cells[1].metric(t("compare.kappa"), _statistic(found.kappa), help=t("compare.kappa_help"))
    cells[1].caption(_reason(found.kappa))
    cells[2].metric(t("compare.ac1"), _statistic(found.ac1), help=t("compare.ac1_help"))
    cells[2].caption(_reason(found.ac1))
    cells[3].metric(t("compare.n"), values.number(found.n))
    cells[3].caption(t("compare.few_items") if found.n < _FEW else t("compare.same_subjects"))
    floor = found.noise_floor
    known = floor is not None and floor.agreement.value is not None
    cells[4].metric(
        t("compare.floor"), values.percent(floor.agreement.value if floor else None), help=t("compare.floor_help")
    )
    cells[4].caption(t("compare.floor_n", n=floor.n_subjects) if floor and known else t("compare.floor_unknown"))


def _statistic(found: Any) -> str:
    return values.number(found.value, 2)


def _reason(found: Any) -> str:
    """Why a coefficient is undefined, or nothing."""
    return t_or(f"compare.reason.{found.reason}", found.reason) if found.value is None and found.reason else " "


def _matrix(question: Question, found: Comparison) -> None:
    st.subheader(t("compare.matrix"), anchor=False, help=t("compare.matrix_help"))
    shown = [question.model.label_shown(label or None) for label in found.labels]
    figure = charts.confusion(
        found.matrix,
        shown,
        shown,
        row_title=name(question.a),
        column_title=name(question.b),
        colours=frame.colours(),
    )
    st.plotly_chart(
        figure,
        theme=None,
        config=charts.CONFIG,
        key="matrix",
        on_select=compare_items.cell_keeper("matrix", found.labels, shown),
        selection_mode="points",
        alt=t("compare.matrix_alt", a=name(question.a), b=name(question.b)),
    )


def _over_time(question: Question, found: Comparison) -> None:
    st.subheader(t("compare.over_time"), anchor=False)
    points = found.over_time
    line = charts.Line(
        t("compare.agreement"),
        [point.bucket_at for point in points],
        [point.agreement.value for point in points],
        low=[point.agreement.lower for point in points],
        high=[point.agreement.upper for point in points],
        counts=[point.agreement.n for point in points],
    )
    lines = [line]
    floor = found.noise_floor.agreement.value if found.noise_floor else None
    if floor is not None and points:
        ends = [points[0].bucket_at, points[-1].bucket_at]
        lines.append(charts.Line(t("compare.floor"), ends, [floor, floor]))
    figure = charts.time_chart(lines, unit="share", colours=frame.colours(), height=280, zero=False)
    st.plotly_chart(
        figure,
        theme=None,
        config=charts.CONFIG,
        key="agreement_over_time",
        alt=charts.describe([line], "share", t("compare.over_time")),
    )

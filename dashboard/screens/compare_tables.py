"""The lower half of Compare: agreement by segment and label, each judge as an inspector, and who was right."""

from __future__ import annotations

import streamlit as st

from backend.comparisons.schemas import Comparison, Inspection, Rate
from dashboard.kit import charts, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.tables import table
from dashboard.kit.text import t
from dashboard.kit.theme import Palette

_RATES = ("miss", "escape_of_passed", "overkill", "false_call", "effectiveness")


def show(model: ModelInfo, found: Comparison, a: str, b: str, colours: Palette) -> None:
    """Draws what there is data for."""
    left, right = st.columns([1, 1.25])
    with left:
        _by_label(model, found)
    with right:
        _by_segment(found, colours)
    left, right = st.columns([1, 1.25])
    with left:
        _right(found, a, b)
    with right:
        _inspection(found, a, b)


def _by_segment(found: Comparison, colours: Palette) -> None:
    if not found.by_segment:
        return
    st.subheader(t("compare.by_segment"), anchor=False)
    rows = found.by_segment[:40]
    figure = charts.intervals(
        [f"{row.key} = {row.value}" for row in rows],
        [row.agreement.value for row in rows],
        [row.agreement.lower for row in rows],
        [row.agreement.upper for row in rows],
        unit="share",
        colours=colours,
        counts=[row.agreement.n for row in rows],
        reference=(found.agreement.value, t("common.all")) if found.agreement.value is not None else None,
    )
    st.plotly_chart(figure, theme=None, config=charts.CONFIG, key="by_segment", alt=t("compare.by_segment"))


def _by_label(model: ModelInfo, found: Comparison) -> None:
    if not found.by_label:
        return
    st.subheader(t("compare.by_label"), anchor=False, help=t("compare.by_label_help"))
    rows = [
        {
            t("compare.label"): model.label_shown(row.label or None),
            t("compare.agreement"): values.percent(row.agreement.value),
            t("compare.n_of", name="A"): values.number(row.n_a),
            t("compare.n_of", name="B"): values.number(row.n_b),
        }
        for row in found.by_label
    ]
    table(rows, alt=t("compare.by_label"))


def _inspection(found: Comparison, a: str, b: str) -> None:
    sides = [(name, side) for name, side in ((a, found.inspection_a), (b, found.inspection_b)) if side is not None]
    if not sides:
        return
    st.subheader(t("compare.inspection"), anchor=False, help=t("compare.inspection_help"))
    rows = []
    for rate in _RATES:
        row = {t("compare.rate"): t(f"compare.rates.{rate}")}
        row |= {name: _written(rate, side) for name, side in sides}
        rows.append(row)
    table(rows, alt=t("compare.inspection"))


def _written(rate: str, side: Inspection) -> str:
    found: Rate = getattr(side, rate)
    if found.value is None:
        return values.NOTHING
    return f"{values.percent(found.value)} ({values.interval(found.lower, found.upper)}, n = {values.number(found.n)})"


def _right(found: Comparison, a: str, b: str) -> None:
    right = found.right
    st.subheader(t("compare.right"), anchor=False, help=t("compare.right_help"))
    if not right.n:
        st.caption(t("compare.no_truth"))
        return
    rows = [
        (t("compare.both_right"), right.both),
        (t("compare.only_right", name=a), right.only_a),
        (t("compare.only_right", name=b), right.only_b),
        (t("compare.neither_right"), right.neither),
    ]
    shares = [
        {t("compare.who"): who, t("compare.items"): values.number(n), t("compare.share"): values.percent(n / right.n)}
        for who, n in rows
    ]
    table(shares, alt=t("compare.right"))
    p = right.mcnemar_p.value
    if p is not None:
        st.caption(t("compare.mcnemar", p=_p(p), verdict=t("compare.differs") if p < 0.05 else t("compare.same")))


def _p(p: float) -> str:
    return "< " + values.number(0.001, 3) if p < 0.001 else "= " + values.number(p, 3)

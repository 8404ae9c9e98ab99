"""The worst parts of the predictions on the Performance screen, and the wrong answers behind a part that is picked."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from backend.performance.schemas import ConditionOut, LabelledRows, SliceOut, Slices
from dashboard.kit import data, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.frame import Window
from dashboard.kit.tables import picked_row
from dashboard.kit.text import t
from dashboard.screens import prediction_rows

_PAGE: Final = 25


def show(model: ModelInfo, window: Window, filters: dict[str, Any], key: tuple[Any, ...]) -> None:
    """The table; a picked row shows its wrong answers below."""
    st.subheader(t("performance.slices.title"), anchor=False, help=t("performance.slices.help"))
    found = data.read_slow(
        lambda api: api.performance.slices(model.name, window.start, window.end, **filters), "slices", *key
    )
    if not found.slices:
        st.caption(_why_none(found))
        return
    st.caption(t("performance.slices.how", n=found.n_tested, share=values.percent(found.max_q, 0)))
    rows = [_row(model, found, one) for one in found.slices]
    picked = picked_row(rows, alt=t("performance.slices.title"), key="slices", height=320)
    if picked is not None:
        _wrong_answers(model, window, filters, key, found.slices[picked])


def _why_none(found: Slices) -> str:
    if not found.n_rows:
        return t("performance.slices.no_labels")
    if not found.n_tested:
        return t("performance.slices.too_few", n=found.n_rows, least=found.min_n)
    return t("performance.slices.none", n=found.n_tested)


def _row(model: ModelInfo, found: Slices, one: SliceOut) -> dict[str, str]:
    return {
        t("performance.slices.where"): describe(one.conditions),
        t("performance.slices.n"): values.number(one.n),
        t("performance.slices.error"): _number(one.value, found.unit),
        t("performance.interval"): f"{_number(one.lower, found.unit)} – {_number(one.upper, found.unit)}",
        t("performance.slices.rest"): _number(one.rest, found.unit),
        t("performance.slices.difference"): _difference(one.difference, found.unit),
        "p": _p(one.p),
        t("performance.slices.q"): _p(one.q),
    }


def describe(conditions: list[ConditionOut]) -> str:
    """A part in words: line = L2, brightness < 0.4."""
    return ", ".join(_condition(one) for one in conditions)


def _condition(one: ConditionOut) -> str:
    name = one.column.removeprefix("seg_").removeprefix("in_")
    if one.equals is not None:
        return f"{name} = {one.equals}"
    if one.low is None and one.high is None:
        return t("performance.slices.missing", name=name)
    if one.low is None:
        return f"{name} < {values.number(one.high, 3)}"
    if one.high is None:
        return f"{name} ≥ {values.number(one.low, 3)}"
    return f"{values.number(one.low, 3)} ≤ {name} < {values.number(one.high, 3)}"


def _number(value: float | None, unit: str) -> str:
    return values.percent(value) if unit == "share" else values.number(value)


def _difference(value: float, unit: str) -> str:
    return values.points(value) if unit == "share" else values.signed(value, 2)


def _p(value: float) -> str:
    return "< " + values.number(0.001, 3) if value < 0.001 else values.number(value, 3)


def _wrong_answers(
    model: ModelInfo, window: Window, filters: dict[str, Any], key: tuple[Any, ...], chosen: SliceOut
) -> None:
    st.markdown(f"**{t('performance.slices.rows', where=describe(chosen.conditions))}**")
    if not (session.may("labels:read") and session.may("events:read")):
        st.info(t("health.rows.only_for_scientists"), icon=":material/lock:")
        return
    page: LabelledRows = data.read(
        lambda api: api.performance.rows(
            model.name, window.start, window.end, where=chosen.where, limit=_PAGE, **filters
        ),
        "slice_rows",
        *key,
        *chosen.where,
    )
    rows = [
        {
            t("health.column.happened_at"): values.moment(row.happened_at),
            t("health.column.version"): row.version,
            t("performance.slices.said"): model.label_shown(row.label or None),
            t("performance.slices.truth"): model.label_shown(row.truth),
            t("health.column.score"): values.number(row.score, 3),
            t("health.column.subject_id"): row.subject_id,
        }
        for row in page.rows
    ]
    if not rows:
        st.caption(t("health.rows.none"))
        return
    picked = picked_row(rows, alt=t("performance.slices.title"), key=f"slice_rows_{page.rows[0].event_id}", height=320)
    if picked is not None:
        prediction_rows.detail(model, page.rows[picked].event_id)
    if page.next_cursor:
        st.caption(t("performance.slices.more", n=_PAGE))

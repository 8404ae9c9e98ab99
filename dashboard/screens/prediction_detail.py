"""Everything about one prediction: what went in, what came out, and what others said about the same subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.kit import data, gallery, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.tables import table
from dashboard.kit.text import t, t_or


def show(model: ModelInfo, event: Mapping[str, Any], siblings: Sequence[Mapping[str, Any]]) -> None:
    """One prediction; `siblings` are other answers about the same subject."""
    _heading(model, event)
    pictures = list(event.get("artifacts") or [])
    sides = st.columns([1, 1, 2]) if pictures and session.may("artifacts:read") else [st.container()]
    if len(sides) > 1:
        with sides[0]:
            gallery.picture(pictures[0], t("health.detail.image"))
        with sides[1]:
            gallery.picture(pictures[1] if len(pictures) > 1 else None, t("health.detail.golden"))
    with sides[-1]:
        _inputs(event)
        _judgements(model, event, siblings)
        with st.expander(t("health.detail.everything")):
            st.json(dict(event))


def _heading(model: ModelInfo, event: Mapping[str, Any]) -> None:
    from dashboard.screens.prediction_rows import answer, moment

    title, close = st.columns([6, 1], vertical_alignment="center")
    title.subheader(t("health.detail.title"), anchor=False)
    if close.button(t("health.detail.close"), icon=":material/close:", key="close_event"):
        st.query_params.pop("event", None)
        st.rerun()
    cells = st.columns(5)
    cells[0].metric(t("health.detail.output"), answer(model, event))
    cells[1].metric(t("health.column.score"), values.number(event.get("score"), 3))
    cells[2].metric(t("health.column.latency_ms"), values.milliseconds(event.get("latency_ms")))
    status = str(event.get("status"))
    cells[3].metric(t("health.column.status"), t_or(f"health.status.{status}", status))
    cells[4].metric(t("common.version"), str(event.get("version")))
    if event.get("error"):
        st.code(str(event["error"]), language=None)
    happened, logged = moment(event.get("happened_at")), moment(event.get("logged_at"))
    st.caption(f"{values.exact(happened)} · {t('health.detail.logged', at=values.exact(logged))}")
    st.caption(t("health.detail.copy"))
    st.code(str(event.get("event_id")), language=None)


def _inputs(event: Mapping[str, Any]) -> None:
    fields = {name.removeprefix("in_"): value for name, value in event.items() if name.startswith("in_")}
    segments = {name.removeprefix("seg_"): value for name, value in event.items() if name.startswith("seg_")}
    if not fields and not segments:
        st.caption(t("health.detail.no_inputs"))
        return
    st.markdown(f"**{t('health.detail.inputs')}**")
    rows = [
        {t("health.detail.field"): name, t("health.detail.value"): _value(value)}
        for name, value in [*fields.items(), *segments.items()]
    ]
    table(rows, alt=t("health.detail.inputs"), height=260)


def _value(value: Any) -> str:
    if value is None:
        return t("health.detail.missing")
    return values.number(value) if isinstance(value, float) else str(value)[:300]


def _judgements(model: ModelInfo, event: Mapping[str, Any], siblings: Sequence[Mapping[str, Any]]) -> None:
    from dashboard.screens.prediction_rows import answer, moment

    st.markdown(f"**{t('health.detail.judgements')}**")
    rows = [
        _judgement(str(other.get("version")), answer(model, other), moment(other.get("happened_at")), _role(other))
        for other in siblings
    ]
    subject = event.get("subject_id")
    if subject and session.may("labels:read"):
        rows += _people(model, str(subject))
    if not rows:
        st.caption(t("health.detail.nobody"))
        return
    table(rows, alt=t("health.detail.judgements"))


def _role(event: Mapping[str, Any]) -> str:
    return t_or(f"common.role.{event.get('role')}", str(event.get("role")))


def _people(model: ModelInfo, subject: str) -> list[dict[str, str]]:
    names = {judge.judge: judge.title for judge in _judges(model.name)}
    decisions = data.read(
        lambda api: api.decisions.list(model.name, subject_id=subject, limit=50), "decisions", model.name, subject
    )
    rows = [
        _judgement(
            names.get(item.judge, t("health.detail.decision")),
            model.label_shown(item.label),
            item.decided_at,
            t_or(f"health.seen.{item.seen}", item.seen),
        )
        for item in decisions
        if item.superseded_by is None
    ]
    truths = data.read(
        lambda api: api.ground_truth.list(model.name, subject_id=subject, limit=5), "truth", model.name, subject
    )
    rows += [
        _judgement(t("health.detail.truth"), model.label_shown(item.label), item.resolved_at, item.method)
        for item in truths
        if item.is_current
    ]
    return rows


def _judges(model: str) -> list[Any]:
    return list(data.read_slow(lambda api: api.comparisons.judges(model), "judges", model))


def _judgement(who: str, said: str, at: Any, how: str) -> dict[str, str]:
    return {
        t("health.detail.judge"): who,
        t("health.detail.answer"): said,
        t("health.detail.when"): values.moment(at),
        t("health.detail.how"): how,
    }

"""The rules: where each stands, how precise people found it, and changing or trying one."""

from __future__ import annotations

from typing import Any

import streamlit as st

from backend.alerts.schemas import RuleOut
from dashboard.kit import data, frame, session, values
from dashboard.kit.alert_words import fires_when, measure_name, note, rule_name, series_name
from dashboard.kit.tables import picked_row, table
from dashboard.kit.text import t
from dashboard.screens import alerts_editor


def show() -> None:
    found = data.read(lambda api: api.alerts.rules(), "alert_rules")
    if session.may("alerts:write"):
        with st.expander(t("alerts.rules.new"), icon=":material/add:", expanded=not found):
            alerts_editor.show(None)
    if not found:
        frame.empty_state("alerts.no_rules")
        return
    picked = picked_row([_row(rule) for rule in found], alt=t("alerts.views.rules"), key="rules", height=380)
    if picked is None:
        st.caption(t("alerts.rules.pick"))
        return
    _one(found[picked])


def _row(rule: RuleOut) -> dict[str, Any]:
    row = {
        "state": _state(rule),
        "name": rule_name(rule.name, rule.title_key),
        "model": rule.model or t("alerts.rules.every_model"),
        "measure": measure_name(rule.measure),
        "condition": fires_when(rule.condition.model_dump(), rule.unit),
        "window": t(f"alerts.window.{rule.window_s}"),
        "severity": t(f"alerts.severity.{rule.severity}"),
        "precision": precision(rule),
        "incidents": values.number(rule.people_said.n_incidents),
        "looked": values.moment(rule.evaluated_at),
    }
    return {t(f"alerts.rules.column.{name}"): value for name, value in row.items()}


def _state(rule: RuleOut) -> str:
    if not rule.is_enabled:
        return t("alerts.rules.off")
    if rule.is_failing:
        return t("alerts.state.failing")
    return t(f"alerts.state.{rule.state}") if rule.state else values.NOTHING


def precision(rule: RuleOut) -> str:
    """The share of its incidents that people found true, with the interval."""
    said = rule.people_said
    n = said.n_true + said.n_false + said.n_benign
    if not n:
        return t("alerts.rules.not_judged")
    return t(
        "alerts.rules.precision",
        share=values.percent(said.precision, 0),
        interval=values.interval(said.lower, said.upper, 0),
        n=n,
    )


def _one(rule: RuleOut) -> None:
    with st.container(border=True), frame.errors():
        st.text(f"{rule_name(rule.name, rule.title_key)} · {rule.model or t('alerts.rules.every_model')}")
        states = data.read(lambda api: api.alerts.series(rule.id), "alert_series", rule.id)
        if states:
            st.caption(t("alerts.rules.series"))
            rows = [
                {
                    "series": series_name(state.series, rule.each),
                    "model": state.model,
                    "state": t(
                        "alerts.state.failing" if state.series.startswith("!") else f"alerts.state.{state.state}"
                    ),
                    "value": values.by_unit(state.value, rule.unit),
                    "n": values.number(state.n),
                    "since": values.moment(state.since),
                    "reason": note(state.reason),
                }
                for state in states
            ]
            named = [{t(f"alerts.rules.series_column.{name}"): cell for name, cell in row.items()} for row in rows]
            table(named, alt=t("alerts.rules.series"), height=240)
    if not session.may("alerts:write"):
        return
    with st.expander(t("alerts.rules.edit"), icon=":material/edit:", expanded=True):
        alerts_editor.show(rule)
    if st.button(t("alerts.rules.delete"), key=f"delete_{rule.id}", icon=":material/delete:"):
        with frame.errors():
            session.client().alerts.delete_rule(rule.id)
            data.forget()
            st.toast(t("alerts.rules.deleted"))
            st.rerun()

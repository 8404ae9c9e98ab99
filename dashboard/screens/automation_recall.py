"""After a rollback: counts the bad version's live answers before anything is opened, then opens them for people."""

from __future__ import annotations

from typing import Any

import streamlit as st

from backend.automation.schemas import RecallPreview, Rung
from backend.client import ApiError
from dashboard.kit import data, frame, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.tables import table
from dashboard.kit.text import t
from dashboard.screens.automation_acts import act


def show(model: ModelInfo, rung: Rung) -> None:
    """Choose a version, count, confirm."""
    with st.expander(t("automation.recall.title"), icon=":material/assignment_return:"):
        st.caption(t("automation.recall.intro"))
        versions = data.versions(model.name)
        if versions:
            _ask(model, rung, versions)
        _past(model)


def _ask(model: ModelInfo, rung: Rung, versions: list[str]) -> None:
    cells = st.columns([1.2, 1, 2.4, 0.8], vertical_alignment="bottom")
    version = cells[0].selectbox(t("automation.recall.version"), versions, key="recall_version")
    limit = cells[1].number_input(t("automation.recall.limit"), 1, 1000, 200, key="recall_limit")
    reason = (
        cells[2]
        .text_input(
            t("automation.reason"), placeholder=t("automation.reason_hint"), max_chars=2000, key="recall_reason"
        )
        .strip()
    )
    fields = {"version": version, "segment": rung.segment, "limit": int(limit)}
    if cells[3].button(t("automation.recall.count"), key="recall_count", width="stretch"):
        st.session_state["soi_recall"] = fields
    if st.session_state.get("soi_recall") != fields:
        return
    try:
        found = data.read(
            lambda api: api.automation.preview_recall(model.name, reason="count", **fields),
            "recall",
            model.name,
            *fields.values(),
        )
    except ApiError as error:
        if error.code != "nothing_to_recall":
            raise
        st.info(t("automation.recall.nothing"), icon=":material/info:")
        return
    _listed(found)
    n = min(found.n_subjects, int(limit))
    if n and st.button(t("automation.recall.open", n=n), key="recall_open", type="primary"):
        _open(model, fields, reason)


def _open(model: ModelInfo, fields: dict[str, Any], reason: str) -> None:
    if not reason:
        st.warning(t("automation.reason_needed"), icon=":material/edit_note:")
        return
    with frame.errors():
        made = session.client().automation.open_recall(model.name, reason=reason, **fields)
        st.session_state.pop("soi_recall", None)
        act("recall", lambda api: None, n=made.n_opened, raised=made.n_raised)


def _listed(found: RecallPreview) -> None:
    said = [
        t(
            "automation.recall.found",
            n=found.n_answers,
            start=values.moment(found.start),
            end=values.moment(found.end),
            judged=values.number(found.n_judged),
            subjects=values.number(found.n_subjects),
        )
    ]
    if found.expected_wrong is not None:
        said.append(t("automation.recall.expected", n=values.number(found.expected_wrong, 0)))
    said.append(t(f"automation.recall.method.{found.method}"))
    st.markdown(" ".join(said))
    if not found.items:
        return
    rows = [
        {
            "subject": item.subject_id,
            "at": values.moment(item.happened_at),
            "was": item.was if item.was is not None else t("common.no_answer"),
            "score": values.number(item.score, 3),
            "chance": values.percent(item.chance_wrong),
        }
        for item in found.items
    ]
    named = [{t(f"automation.recall.column.{name}"): cell for name, cell in row.items()} for row in rows]
    table(named, alt=t("automation.recall.title"), key="recall_items", height=320)


def _past(model: ModelInfo) -> None:
    found = data.read(lambda api: api.automation.recalls(model.name), "recalls", model.name)
    if not found:
        return
    st.markdown(f"**{t('automation.recall.past')}**")
    rows = [
        {
            "at": values.moment(one.created_at),
            "version": one.version,
            "who": one.created_by_name or one.created_by,
            "opened": values.number(one.n_opened),
            "raised": values.number(one.n_raised),
            "reason": one.reason,
        }
        for one in found
    ]
    named = [{t(f"automation.recall.past_column.{name}"): cell for name, cell in row.items()} for row in rows]
    table(named, alt=t("automation.recall.past"), key="recalls", height=240)

"""The quarantine: rows that were refused for their content, each with its reason and exactly as it was sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import streamlit as st

from backend.predictions.schemas import QuarantineRow
from dashboard.kit import data, values
from dashboard.kit.door_messages import said
from dashboard.kit.tables import picked_row
from dashboard.kit.text import t

_PAGE: Final = 50


def show(model: str | None, reason: Callable[[str], str]) -> None:
    """Newest first, a page at a time (`?before=`), of one reason if wanted (`?code=`)."""
    st.subheader(t("ingestion.quarantine"), anchor=False, help=t("ingestion.quarantine_help"))
    code = st.query_params.get("code")
    before = st.query_params.get("before", "")
    before_id = int(before) if before.isdecimal() else None
    found = data.read(
        lambda api: api.predictions.quarantine(model, code=code, before_id=before_id, limit=_PAGE),
        "quarantine",
        model,
        code,
        before_id,
    )
    if code:
        _only(code, reason)
    if not found:
        st.caption(t("ingestion.quarantine_empty"))
        return
    rows = [_row(item, reason) for item in found]
    picked = picked_row(rows, alt=t("ingestion.quarantine"), key=f"quarantine_{found[0].id}", height=320)
    _paging(found, before_id)
    if picked is not None:
        _one(found[picked], reason)


def _only(code: str, reason: Callable[[str], str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(t("ingestion.only_reason", reason=reason(code)))
        if st.button(t("common.all"), key="all_reasons", type="tertiary", icon=":material/close:"):
            st.query_params.pop("code", None)
            st.rerun()


def _row(item: QuarantineRow, reason: Callable[[str], str]) -> dict[str, str]:
    row = {
        "received_at": values.moment(item.received_at),
        "model": item.model,
        "reason": reason(item.code),
        "pointer": item.pointer or values.NOTHING,
        "message": said(item.message),
        "actor": t("ingestion.this_server") if item.actor == "process" else item.actor_name or item.actor,
    }
    return {t(f"ingestion.quarantine_column.{name}"): value for name, value in row.items()}


def _paging(found: list[QuarantineRow], before_id: int | None) -> None:
    with st.container(horizontal=True):
        if before_id is not None and st.button(t("health.rows.first"), icon=":material/first_page:"):
            st.query_params.pop("before", None)
            st.rerun()
        if len(found) == _PAGE and st.button(t("health.rows.more"), icon=":material/chevron_right:"):
            st.query_params["before"] = str(found[-1].id)
            st.rerun()


def _one(item: QuarantineRow, reason: Callable[[str], str]) -> None:
    with st.container(border=True):
        st.markdown(f"**{reason(item.code)}**")
        st.text(f"{item.pointer}  {said(item.message)}".strip())
        st.caption(t("ingestion.as_sent"))
        st.code(_pretty(item.raw), language="json", wrap_lines=True)
        if st.button(t("ingestion.only_these"), icon=":material/filter_alt:"):
            st.query_params["code"] = item.code
            st.query_params.pop("before", None)
            st.rerun()


def _pretty(raw: str) -> str:
    try:
        return json.dumps(json.loads(raw), ensure_ascii=False, indent=2)
    except ValueError:
        return raw

"""What callers changed about a model's inputs (new fields, fields of another type), for people to note."""

from __future__ import annotations

import streamlit as st

from backend.predictions.schemas import Notice
from dashboard.kit import data, session, values
from dashboard.kit.door_messages import kind, said
from dashboard.kit.text import t, t_or


def show(model: str | None) -> None:
    """Open notices with a button each; those already seen are folded away."""
    st.subheader(t("ingestion.notices"), anchor=False, help=t("ingestion.notices_help"))
    found = data.read(lambda api: api.predictions.notices(model, limit=100), "notices", model)
    unseen = [notice for notice in found if notice.acknowledged_by is None]
    if not unseen:
        st.caption(t("ingestion.no_notices"))
    for notice in unseen:
        _notice(notice, may_acknowledge=session.may("models:write"))
    seen = [notice for notice in found if notice.acknowledged_by is not None]
    if seen:
        with st.expander(t("ingestion.seen_notices", n=len(seen))):
            for notice in seen:
                _notice(notice, may_acknowledge=False)


def _notice(notice: Notice, *, may_acknowledge: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", border=True, key=f"soi_notice_{notice.id}"):
        reason = said(str(notice.details.get("reason", "")))
        detail = kind(str(notice.details.get("type", ""))) or reason
        change = t_or(f"ingestion.change.{notice.change}", notice.change, detail=detail)
        st.badge(change, color="orange" if notice.change == "type_changed" else "blue")
        st.text(f"{notice.model} · {notice.field}")
        kept = notice.details.get("kept_in")
        where = t_or(f"ingestion.kept_in.{kept}", "") if kept else reason
        times = t("ingestion.notice_times", n=notice.n_events, first=values.moment(notice.first_seen_at))
        st.caption(f"{times} {where}")
        if may_acknowledge and st.button(t("ingestion.acknowledge"), key=f"acknowledge_{notice.id}"):
            session.client().predictions.acknowledge_notice(notice.id)
            data.forget()
            st.toast(t("ingestion.acknowledged", field=notice.field))
            st.rerun()

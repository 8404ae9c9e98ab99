"""The channels that alerts are told through, for administrators: their addresses go in and never come out."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from backend.channels.schemas import ChannelOut
from dashboard.kit import data, frame, secret, session
from dashboard.kit.tables import picked_row
from dashboard.kit.text import t

_KINDS: Final = ("apprise", "webhook")
_SEVERITIES: Final = ("low", "medium", "high")
_LANGUAGES: Final = ("en", "vi")


def show() -> None:
    frame.require("channels:manage")
    found = data.read(lambda api: api.channels.list(), "channels")
    with st.expander(t("alerts.channels.add"), icon=":material/add:", expanded=not found):
        _add()
    if not found:
        frame.empty_state("alerts.no_channels")
        return
    picked = picked_row([_row(one) for one in found], alt=t("alerts.views.channels"), key="channels_table", height=320)
    if picked is None:
        st.caption(t("alerts.channels.pick"))
    else:
        _one(found[picked])


def _row(one: ChannelOut) -> dict[str, Any]:
    row = {
        "name": one.name,
        "kind": t(f"alerts.channels.kinds.{one.kind}"),
        "shown": one.shown,
        "language": t(f"alerts.channels.languages.{one.language}"),
        "severity": t(f"alerts.severity.{one.min_severity}"),
        "models": ", ".join(one.models) if one.models else t("common.all"),
        "state": t("alerts.rules.on") if one.is_enabled else t("alerts.rules.off"),
    }
    return {t(f"alerts.channels.column.{name}"): value for name, value in row.items()}


def _add() -> None:
    with st.form("add_channel", border=False, clear_on_submit=True):
        cells = st.columns([1.2, 1.2, 2])
        name = cells[0].text_input(t("alerts.channels.name"), max_chars=200, key="channel_name")
        kind = cells[1].selectbox(
            t("alerts.channels.kind"),
            _KINDS,
            format_func=lambda one: t(f"alerts.channels.kinds.{one}"),
            key="channel_kind",
        )
        url = cells[2].text_input(
            t("alerts.channels.url"), type="password", max_chars=2000, help=t("alerts.channels.url_help"),
            key="channel_url",
        )  # fmt: skip
        below = st.columns([1.2, 1.2, 2])
        language = below[0].selectbox(
            t("alerts.channels.language"),
            _LANGUAGES,
            format_func=lambda one: t(f"alerts.channels.languages.{one}"),
            key="channel_language",
        )
        severity = below[1].selectbox(
            t("alerts.channels.min_severity"),
            _SEVERITIES,
            format_func=lambda one: t(f"alerts.severity.{one}"),
            key="channel_severity",
        )
        models = below[2].multiselect(
            t("alerts.channels.models"),
            [model.name for model in data.models()],
            placeholder=t("common.all"),
            key="channel_models",
        )
        is_sent = st.form_submit_button(t("alerts.channels.add"), type="primary", key="add_channel_send")
    if not is_sent:
        return
    if not (name or "").strip() or not (url or "").strip():
        st.warning(t("alerts.channels.incomplete"))
        return
    with frame.errors():
        made = session.client().channels.create(
            name=name, kind=kind, url=url, language=language, min_severity=severity, models=list(models) or None
        )
        data.forget()
        if made.secret:
            secret.keep(t("alerts.channels.secret_once", name=made.name), made.secret)
        st.rerun()


def _one(one: ChannelOut) -> None:
    with st.container(border=True), frame.errors():
        st.text(f"{one.name} · {one.shown}")
        with st.container(horizontal=True):
            if st.button(t("alerts.channels.test"), key=f"test_{one.id}", icon=":material/send:"):
                session.client().channels.test(one.id)
                _done(t("alerts.channels.test_sent"))
            label = t("alerts.channels.turn_off") if one.is_enabled else t("alerts.channels.turn_on")
            if st.button(label, key=f"turn_{one.id}", icon=":material/power_settings_new:"):
                session.client().channels.change(one.id, is_enabled=not one.is_enabled)
                _done()
            if st.button(t("alerts.channels.delete"), key=f"remove_{one.id}", icon=":material/delete:"):
                session.client().channels.delete(one.id)
                _done(t("alerts.channels.deleted"))


def _done(said: str | None = None) -> None:
    data.forget()
    if said:
        st.toast(said)
    st.rerun()

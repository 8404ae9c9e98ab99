"""Keys of services: made with only the rights they need, shown once, renewed and revoked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import streamlit as st

from backend.api_keys.schemas import ApiKeyRead
from dashboard.kit import data, frame, secret, session, values
from dashboard.kit.tables import picked_row
from dashboard.kit.text import t

#: What services mostly do, so that nobody needs to know the names of the rights.
PURPOSES: Final[Mapping[str, Sequence[str]]] = {
    "log": ("events:write", "artifacts:write"),
    "serve": ("predict", "artifacts:write"),
    "read": ("aggregates:read", "models:read", "events:read", "labels:read"),
    "label": ("labels:write", "events:write"),
    "metrics": ("metrics:read",),
    "release": ("models:read", "models:write", "artifacts:write", "rollouts:write"),
}
_LIFETIMES: Final[Mapping[str, int | None]] = {"30d": 30, "90d": 90, "365d": 365, "never": None}


def show() -> None:
    """The list, and the form for a new key."""
    found = data.read(lambda api: api.api_keys.list(limit=200), "api_keys")
    with st.expander(t("keys.add"), icon=":material/add:", expanded=not found):
        _add()
    if not found:
        frame.empty_state("keys.empty")
        return
    now = datetime.now(UTC)
    picked = picked_row([_row(key, now) for key in found], alt=t("people.views.keys"), key="keys", height=420)
    if picked is None:
        st.caption(t("keys.pick"))
    else:
        _one(found[picked])


def _state(key: ApiKeyRead, now: datetime) -> str:
    if key.revoked_at is not None:
        return t("keys.revoked", date=values.date(key.revoked_at))
    if key.expires_at is not None and key.expires_at <= now:
        return t("keys.expired")
    return t("keys.valid")


def _row(key: ApiKeyRead, now: datetime) -> dict[str, str]:
    row = {
        "name": key.name,
        "prefix": f"{key.prefix}…",
        "scopes": ", ".join(key.scopes),
        "models": ", ".join(key.models) if key.models else t("common.all"),
        "state": _state(key, now),
        "expires": values.date(key.expires_at) if key.expires_at else t("keys.lifetime.never"),
        "since": values.date(key.created_at),
    }
    return {t(f"keys.column.{name}"): value for name, value in row.items()}


def _add() -> None:
    models = [model.name for model in data.models()]
    with st.form("add_key", border=False, clear_on_submit=True):
        cells = st.columns([1.3, 1.5, 1])
        name = cells[0].text_input(t("keys.column.name"), max_chars=200, key="key_name")
        purposes = cells[1].multiselect(
            t("keys.purpose"),
            list(PURPOSES),
            default=["log"],
            format_func=lambda purpose: t(f"keys.purposes.{purpose}"),
            key="key_purposes",
        )
        lifetime = cells[2].selectbox(
            t("keys.column.expires"),
            list(_LIFETIMES),
            index=1,
            format_func=lambda option: t(f"keys.lifetime.{option}"),
            key="key_lifetime",
        )
        narrowed = st.multiselect(t("keys.only_models"), models, placeholder=t("common.all"), key="key_models")
        is_sent = st.form_submit_button(t("keys.add"), type="primary", key="add_key_send")
    if is_sent:
        with frame.errors():
            _create(name or "", purposes, lifetime or "90d", narrowed)


def _create(name: str, purposes: Sequence[str], lifetime: str, models: Sequence[str]) -> None:
    scopes = sorted({scope for purpose in purposes for scope in PURPOSES[purpose]})
    if not name.strip() or not scopes:
        st.warning(t("keys.incomplete"))
        return
    days = _LIFETIMES[lifetime]
    made = session.client().api_keys.create(
        name=name.strip(),
        scopes=scopes,
        models=list(models) or None,
        expires_at=datetime.now(UTC) + timedelta(days=days) if days else None,
    )
    data.forget()
    secret.keep(t("keys.once", name=made.name), made.key)
    st.rerun()


def _one(key: ApiKeyRead) -> None:
    if key.revoked_at is not None:
        return
    with st.container(border=True), frame.errors():
        st.text(f"{key.name} · {key.prefix}…")
        with st.container(horizontal=True):
            if st.button(t("keys.rotate"), key=f"rotate_{key.id}", icon=":material/autorenew:"):
                made = session.client().api_keys.rotate(key.id)
                data.forget()
                secret.keep(t("keys.once", name=made.name), made.key)
                st.rerun()
            if st.button(t("keys.revoke"), key=f"revoke_{key.id}", icon=":material/block:"):
                session.client().api_keys.revoke(key.id)
                data.forget()
                st.toast(t("keys.revoked_now", name=key.name))
                st.rerun()
        st.caption(t("keys.rotate_help"))

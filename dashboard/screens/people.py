"""People and keys, for administrators: who may sign in and as what, the keys of services, and the audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from backend.auth.rules import ROLES
from backend.users.schemas import UserRead
from dashboard.kit import address, data, frame, secret, session, values
from dashboard.kit.tables import picked_row
from dashboard.kit.text import t
from dashboard.screens import people_audit, people_keys

VIEWS: Final = ("people", "keys", "audit")
_PAGE: Final = 200


def show() -> None:
    frame.page("people.title")
    frame.require("people:manage")
    address.follow("view", VIEWS, VIEWS[0])
    view = st.segmented_control(
        t("people.view"),
        VIEWS,
        key="view",
        required=True,
        format_func=lambda name: t(f"people.views.{name}"),
        label_visibility="collapsed",
    )
    address.keep("view", view, VIEWS[0])
    secret.show()
    if view == "keys":
        people_keys.show()
    elif view == "audit":
        people_audit.show()
    else:
        _people()


def _people() -> None:
    found = data.read(lambda api: api.users.list(limit=_PAGE), "users")
    with st.expander(t("people.add"), icon=":material/person_add:", expanded=len(found) == 1):
        _add()
    picked = picked_row([_row(user) for user in found], alt=t("people.views.people"), key="users", height=420)
    if picked is None:
        st.caption(t("people.pick"))
    else:
        _one(found[picked])


def _row(user: UserRead) -> dict[str, str]:
    row = {
        "name": user.name,
        "email": user.email,
        "role": t(f"common.role.{user.role}"),
        "state": t("people.active") if user.is_active else t("people.inactive"),
        "since": values.date(user.created_at),
    }
    return {t(f"people.column.{name}"): value for name, value in row.items()}


def _add() -> None:
    with st.form("add_person", border=False, clear_on_submit=True):
        cells = st.columns([1.3, 1.3, 1])
        email = cells[0].text_input(t("people.column.email"), type="email", max_chars=320, key="new_email")
        name = cells[1].text_input(t("people.column.name"), max_chars=200, key="new_name")
        role = _role_picker(cells[2], "new_role", "inspector", ROLES)
        st.caption(t("people.about_roles"))
        is_sent = st.form_submit_button(t("people.add"), type="primary", key="add_person_send")
    if not is_sent:
        return
    with frame.errors():
        made = session.client().users.create(email or "", name or "", role)
        data.forget()
        if made.initial_password:
            secret.keep(t("people.password_once", name=made.name), made.initial_password)
        st.rerun()


def _role_picker(where: Any, key: str, start: str, roles: Sequence[str]) -> str:
    picked: str = where.selectbox(
        t("people.column.role"),
        list(roles),
        index=list(roles).index(start),
        format_func=lambda name: t(f"common.role.{name}"),
        key=key,
    )
    return picked


def _one(user: UserRead) -> None:
    is_me = user.id == session.person().id
    with st.container(border=True), frame.errors():
        st.text(f"{user.name} · {user.email}")
        cells = st.columns([1.2, 1, 1.2], vertical_alignment="bottom")
        role = _role_picker(cells[0], f"role_{user.id}", user.role, ROLES)
        if cells[1].button(t("people.change_role"), key=f"change_{user.id}", disabled=role == user.role):
            session.client().users.change(user.id, role=role)
            _done(t("people.changed", name=user.name))
        with st.container(horizontal=True):
            label = t("people.deactivate") if user.is_active else t("people.activate")
            if st.button(label, key=f"active_{user.id}", disabled=is_me, icon=":material/block:"):
                session.client().users.change(user.id, is_active=not user.is_active)
                _done(t("people.changed", name=user.name))
            if st.button(t("people.reset_password"), key=f"reset_{user.id}", icon=":material/password:"):
                made = session.client().users.reset_password(user.id)
                if made.initial_password:
                    secret.keep(t("people.password_once", name=made.name), made.initial_password)
                _done(t("people.changed", name=user.name))
        st.caption(t("people.yourself") if is_me else t("people.deactivate_help"))


def _done(said: str) -> None:
    data.forget()
    st.toast(said)
    st.rerun()

"""The person in the side bar: name and role, language, signing out. Called by app.py on every run."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

from backend.client import ApiError
from dashboard.kit import data, frame, session, text
from dashboard.kit.session import Person
from dashboard.kit.text import t

_SCRIPT: Final = (Path(__file__).parent / "frontend" / "page.js").read_text(encoding="utf-8")
_page = st.components.v2.component("soi_page", js=_SCRIPT)

#: Languages call themselves by their own name, in every language.
_OWN_NAMES: Final = {"en": "English", "vi": "Tiếng Việt"}


def mark_language() -> None:
    """Sets the language of the page for screen readers, and leaves when the person signed out."""
    _page(key="soi_page", data={"language": text.language(), "leave": bool(st.session_state.get("soi_leave"))})


def sidebar(who: Person) -> None:
    """Who is signed in, the language, and the way out."""
    with st.sidebar, st.container(key="soi_account"):
        _language_switch(who)
        with st.popover(who.name, icon=":material/account_circle:", width="stretch"):
            st.caption(f"{who.email}  \n{t(f'common.role.{who.role}')}  \n{text.reader().timezone}")
            if st.button(t("common.sign_out"), icon=":material/logout:", width="stretch", key="soi_sign_out"):
                st.session_state["soi_leave"] = True
                st.rerun()


def _language_switch(who: Person) -> None:
    picked = st.segmented_control(
        t("common.language"),
        list(text.LANGUAGES),
        default=text.language(),
        required=True,
        format_func=lambda name: _OWN_NAMES[name],
        key=f"soi_language_{text.language()}",
        label_visibility="collapsed",
        width="stretch",
    )
    if picked and picked != text.language():
        _use_language(picked)


def _use_language(language: str) -> None:
    """Keeps the choice with the person, so that it holds on every machine."""
    try:
        session.client().transport.request("PATCH", "/v1/auth/me", json={"language": language})
    except ApiError as error:
        frame.show_error(error)
        return
    st.query_params.pop("lang", None)
    st.session_state.pop("soi_asked_language", None)
    data.forget()
    st.rerun()

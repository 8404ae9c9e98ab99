"""Who looks at the screen, and the API client that acts as that person. Revocation and a changed role take effect at
the next action, because every script run asks the API again who the person is."""

from __future__ import annotations

import time
from typing import Any, Final

import streamlit as st
from pydantic import BaseModel, ConfigDict, Field

from backend.auth.rules import PERMISSIONS
from backend.client import ApiError, Client
from backend.ui_connection import LANGUAGE_HEADER, SESSION_HEADER, default_language, open_http
from dashboard.kit import text

#: A fragment that reruns within this time does not ask again who the person is.
_FRESH_S: Final = 1.0
_PERSON: Final = "soi_person"
_READER: Final = "soi_reader"


class Person(BaseModel):
    """The signed-in person as the API tells it."""

    model_config = ConfigDict(extra="ignore")

    id: str
    name: str
    email: str = ""
    role: str = "viewer"
    language: str | None = None
    timezone: str | None = None
    preferences: dict[str, Any] = Field(default_factory=dict)

    def may(self, permission: str) -> bool:
        """Whether the person's role holds a permission; only decides what is shown, the API decides what is done."""
        return self.role in PERMISSIONS[permission]


def token() -> str | None:
    """The session token that the gate verified for this connection."""
    found: str | None = st.context.headers.get(SESSION_HEADER)
    return found


def client() -> Client:
    """The API, acting as the person who looks at the screen."""
    return Client(http=open_http(token()))


def person() -> Person:
    """The signed-in person; raises ApiError 401 when the session has ended."""
    known = st.session_state.get(_PERSON)
    if known is not None and time.monotonic() - known[0] < _FRESH_S:
        found: Person = known[1]
        return found
    return refresh_person()


def refresh_person() -> Person:
    """Ask the API now; called at the start of every script run."""
    try:
        found = client().transport.get("/v1/auth/me", Person)
    except ApiError as error:
        if error.status == 401:
            st.session_state.pop(_PERSON, None)
        raise
    st.session_state[_PERSON] = (time.monotonic(), found)
    return found


def may(permission: str) -> bool:
    """Whether the person may do this; hides what they cannot use."""
    return person().may(permission)


def settle_reader(who: Person | None) -> None:
    """Fix language and zone for this script run: `?lang=`, the person's own setting, the browser."""
    asked = st.query_params.get("lang") or st.session_state.get("soi_asked_language")
    if asked in text.LANGUAGES:
        st.session_state["soi_asked_language"] = asked
    language = text.choose_language(
        asked, who.language if who else None, st.context.headers.get("Accept-Language"), _gate_language()
    )
    zones = (who.timezone if who else None, st.context.timezone)
    zone = next((name for name in zones if text.is_timezone(name)), "UTC")
    st.session_state[_READER] = text.Reader(language, zone or "UTC")


def _gate_language() -> str:
    return st.context.headers.get(LANGUAGE_HEADER) or default_language()


def _current_reader() -> text.Reader | None:
    found: text.Reader | None = st.session_state.get(_READER)
    return found


text.use_locale_source(_current_reader)

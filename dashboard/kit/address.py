"""Widgets whose value is part of the address, by the option's own name. Streamlit's `bind` writes what the option is
called on the screen, so its links would break as soon as the reader of the link uses the other language."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import streamlit as st


def follow(key: str, options: Collection[str], default: str | None) -> None:
    """Call before the widget `key`: what the address says, when it has changed, becomes the widget's value."""
    asked = st.query_params.get(key)
    if _is_news(key, asked):
        st.session_state[key] = asked if asked in options else default
    elif st.session_state.get(key, default) not in options:
        st.session_state[key] = default


def follow_all(key: str, options: Collection[str]) -> None:
    """The same for a widget of several values."""
    asked = st.query_params.get_all(key)
    if _is_news(key, asked or None):
        st.session_state[key] = [one for one in asked if one in options]
    else:
        st.session_state[key] = [one for one in st.session_state.get(key, []) if one in options]


def follow_text(key: str) -> None:
    """The same for free text."""
    asked = st.query_params.get(key)
    if _is_news(key, asked):
        st.session_state[key] = asked or ""


def follow_flag(key: str) -> None:
    """The same for a switch: present in the address means on."""
    asked = st.query_params.get(key)
    if _is_news(key, asked):
        st.session_state[key] = asked is not None


def keep(key: str, value: Any, default: Any = None) -> None:
    """Call after the widget: its value goes into the address, a default leaves it clean."""
    wanted: str | Sequence[str] | None = value
    if isinstance(value, bool):
        wanted = "1" if value else None
    if value == default or not wanted:
        st.query_params.pop(key, None)
        st.session_state[_seen(key)] = None
        return
    if isinstance(wanted, str):
        if st.query_params.get(key) != wanted:
            st.query_params[key] = wanted
    elif st.query_params.get_all(key) != list(wanted):
        st.query_params[key] = list(wanted)
    st.session_state[_seen(key)] = wanted


def _seen(key: str) -> str:
    return f"soi_address_{key}"


def _is_news(key: str, asked: Any) -> bool:
    """Whether the address changed since this key was kept, or the widget is new on the page."""
    return key not in st.session_state or st.session_state.get(_seen(key)) != asked

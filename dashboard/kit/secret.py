"""A secret that is shown once (a made password, a new key), until the person says that it is copied."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard.kit.text import t

_KEY: Final = "soi_secret_once"


def keep(said: str, value: str) -> None:
    """Show this at the next run of the screen."""
    st.session_state[_KEY] = (said, value)


def show() -> None:
    """Draws the secret, if there is one, until it is dismissed."""
    found: tuple[str, str] | None = st.session_state.get(_KEY)
    if found is None:
        return
    with st.container(border=True, key="soi_secret"):
        st.warning(f"**{found[0]}**  \n{t('people.only_once')}", icon=":material/key:")
        st.code(found[1], language=None, wrap_lines=True)
        if st.button(t("people.copied"), key="soi_secret_copied", type="primary"):
            st.session_state.pop(_KEY, None)
            st.rerun()

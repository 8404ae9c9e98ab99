"""What a person may do about a ladder: look now, go up, go back, hold it where it is. Every move needs a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from backend.automation.schemas import Rung
from backend.client import ApiError, Client
from dashboard.kit import automation_words as words
from dashboard.kit import data, frame, session
from dashboard.kit.data import ModelInfo
from dashboard.kit.text import t
from review.rules.levels import above, beneath


def show(model: ModelInfo, rung: Rung) -> None:
    """Reason and buttons."""
    up, down = above(rung.level), beneath(rung.level)
    with st.container(border=True):
        reason = st.text_input(
            t("automation.reason"), placeholder=t("automation.reason_hint"), max_chars=2000, key="act_reason"
        ).strip()
        options = {"segment": rung.segment, "reason": reason}
        with st.container(horizontal=True):
            if rung.policy is not None and st.button(t("automation.look_now"), key="look", icon=":material/refresh:"):
                act("look", lambda api: api.automation.evaluate(model.name, segment=rung.segment))
            is_earned = rung.verdict is not None and rung.verdict.kind == "promote"
            label = t("automation.promote", to=words.level_name(up)) if up else ""
            if up and st.button(label, key="promote", type="primary", disabled=not is_earned):
                _with(reason, "promote", lambda api: api.automation.promote(model.name, **options), to=up)
            label = t("automation.step_back", to=words.level_name(down)) if down else ""
            if down and rung.rollout_id is not None and st.button(label, key="step_back"):
                _with(reason, "step_back", lambda api: api.automation.step_back(model.name, **options), to=down)
            if rung.block is None and st.button(t("automation.block"), key="block", icon=":material/front_hand:"):
                _with(reason, "block", lambda api: api.automation.block(model.name, **options))
            is_own = rung.block is not None and rung.block.segment == rung.segment
            if is_own and st.button(t("automation.unblock"), key="unblock"):
                _with(reason, "unblock", lambda api: api.automation.unblock(model.name, **options))


def _with(reason: str, what: str, do: Callable[[Client], Any], *, to: str | None = None) -> None:
    if not reason:
        st.warning(t("automation.reason_needed"), icon=":material/edit_note:")
        return
    act(what, do, **({"to": words.level_name(to)} if to else {}))


def act(what: str, do: Callable[[Client], Any], **params: Any) -> None:
    """Do what a person asked for, say that it is done, and show the new state."""
    try:
        do(session.client())
    except ApiError as error:
        frame.show_error(error)
        return
    data.forget()
    if what != "look":
        st.toast(t(f"automation.done.{what}", **params))
    st.rerun()

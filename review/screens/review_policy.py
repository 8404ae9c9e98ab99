"""Review policy: what is sent to people and why, tried on last week's traffic before it is saved; its history, how
people do on known items, and the known items."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from backend.client import ApiError
from backend.review_policies.schemas import PolicyFields, PolicyOut, Preview
from dashboard.kit import data, frame, session
from dashboard.kit.data import ModelInfo
from dashboard.kit.text import t
from review.screens import policy_form, policy_people, policy_preview

_SEEN = "soi_policy_preview"


def show() -> None:
    """The screen."""
    frame.require("review:manage")
    frame.page("policy.title", "policy.intro")
    model = frame.model_picker(st.columns([1.3, 3])[0])
    with frame.errors():
        found = data.read(lambda api: api.review_policies.list(model.name), "review_policies", model.name)
        _edit(model, found[0])
        st.subheader(t("policy.history.title"), anchor=False)
        policy_people.history(found)
    with frame.errors():
        st.subheader(t("policy.checks.title"), anchor=False)
        policy_people.people(model)
    with frame.errors():
        st.subheader(t("policy.known.title"), anchor=False)
        policy_people.known_items(model)


def _edit(model: ModelInfo, current: PolicyOut) -> None:
    fields = policy_form.show(current.policy, key=f"{model.name}_{current.number}")
    key = json.dumps([model.name, current.number, fields], sort_keys=True)
    button, reason, save = st.columns([1.2, 2.6, 1], vertical_alignment="bottom")
    if button.button(t("policy.preview.run"), key="policy_preview", icon=":material/visibility:", width="stretch"):
        with st.spinner(t("policy.preview.running")):
            _try(model, fields, key)
    why = reason.text_input(
        t("policy.reason"), key="policy_reason", max_chars=2000, placeholder=t("policy.reason_hint")
    )
    seen = _seen(key)
    asked = save.button(
        t("common.save"),
        type="primary",
        key="policy_save",
        width="stretch",
        disabled=seen is None or not (why or "").strip(),
        help=t("policy.save_help"),
    )
    if asked:
        _save(model, fields, str(why), current.number)
    if seen is None:
        st.info(t("policy.preview.first"), icon=":material/visibility:")
        return
    policy_preview.show(seen)


def _seen(key: str) -> Preview | None:
    """The preview of exactly these fields."""
    kept = st.session_state.get(_SEEN)
    found: Preview | None = kept[1] if kept is not None and kept[0] == key else None
    return found


def _try(model: ModelInfo, fields: dict[str, Any], key: str) -> None:
    try:
        found = session.client().review_policies.preview(model.name, _fields(fields))
    except (ApiError, ValueError) as error:
        _say(error)
        return
    st.session_state[_SEEN] = (key, found)


def _save(model: ModelInfo, fields: dict[str, Any], reason: str, based_on: int) -> None:
    try:
        session.client().review_policies.declare(model.name, _fields(fields), reason=reason.strip(), based_on=based_on)
    except (ApiError, ValueError) as error:
        _say(error)
        return
    data.forget()
    st.session_state.pop(_SEEN, None)
    st.toast(t("policy.saved"))
    st.rerun()


def _fields(fields: dict[str, Any]) -> PolicyFields:
    return PolicyFields.model_validate(fields)


def _say(error: Exception) -> None:
    """A refusal in words; anything else as every screen says it."""
    if isinstance(error, ApiError) and error.code in ("policy_changed", "policy_same"):
        st.warning(t(f"policy.refusal.{error.code}"), icon=":material/sync_problem:")
    elif isinstance(error, ApiError) and error.status != 422:
        raise error
    else:
        st.error(t("policy.refusal.bad_policy"), icon=":material/error:")

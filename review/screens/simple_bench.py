"""The bench in plain widgets, for people or devices that cannot use the component: slower, the same answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final
from uuid import uuid4

import streamlit as st

from backend.client import ApiError
from backend.review_tasks.schemas import ClaimedTask, Mode
from dashboard.kit import data, frame, session
from dashboard.kit.data import ModelInfo
from dashboard.kit.text import t
from review.screens.bench import component

_TASK: Final = "soi_simple_task"
_SINCE: Final = "soi_simple_since"


def show(model: ModelInfo, modes: Sequence[Mode]) -> None:
    """One item with its golden sample, and a button for each answer."""
    with frame.errors():
        task = _current(model, modes)
        if task is None:
            frame.empty_state("inspect.empty")
            st.button(t("common.refresh"))
            return
        _pictures(task)
        comment = st.text_input(t("inspect.comment"), key=f"comment_{task.id}", max_chars=2000)
        answer = _buttons(model)
        if answer is not None:
            _decide(task, answer, comment)
            st.rerun()


def _current(model: ModelInfo, modes: Sequence[Mode]) -> ClaimedTask | None:
    """The item in hand, or the next one from the queue."""
    held: ClaimedTask | None = st.session_state.get(_TASK)
    if held is None or held.model != model.name:
        claimed = session.client().review_tasks.claim(model.name, 1, modes)
        held = claimed[0] if claimed else None
        st.session_state[_TASK] = held
        st.session_state[_SINCE] = time.monotonic()
    return held


def _pictures(task: ClaimedTask) -> None:
    st.caption(task.subject_id)
    item, golden = st.columns(2)
    _picture(item, task.item.artifact, t("inspect.item"))
    if task.item.golden:
        _picture(golden, task.item.golden, t("inspect.golden"))


def _picture(where: Any, sha256: str | None, caption: str) -> None:
    try:
        if sha256 is None:
            raise ApiError(404, "not_found", "no picture")
        where.image(picture(sha256), caption=caption, width="stretch")
    except ApiError as error:
        if error.status != 404:
            raise
        where.warning(t("inspect.missing"))


def picture(sha256: str) -> bytes:
    """A stored picture, read as the person who looks."""
    return data.read(
        lambda api: bytes(api.transport.request("GET", f"/v1/artifacts/{sha256}").content), "picture", sha256
    )


def _buttons(model: ModelInfo) -> tuple[str, str | None] | None:
    """The answer that was pressed: (verb, label)."""
    labels = component.labels(model.labels)
    pressed: tuple[str, str | None] | None = None
    columns = st.columns(len(labels) + 3)
    for place, label in zip(columns, labels, strict=False):
        kind = "secondary" if label["is_defect"] else "primary"
        if place.button(
            label["title"], type=kind, shortcut=label["key"], width="stretch", key=f"label_{label['name']}"
        ):
            pressed = ("label", label["name"])
    for place, verb, key in zip(columns[len(labels) :], ("unsure", "skip", "undo"), "ukz", strict=True):
        if place.button(t(f"bench.verb.{verb}"), shortcut=key, width="stretch", key=f"verb_{verb}"):
            pressed = (verb, None)
    return pressed


def _decide(task: ClaimedTask, answer: tuple[str, str | None], comment: str) -> None:
    verb, label = answer
    api = session.client().review_tasks
    if verb == "undo":
        reopened = api.undo(task.model)
        api.release([task])
        st.session_state[_TASK] = reopened
        st.session_state[_SINCE] = time.monotonic()
        return
    duration_ms = int((time.monotonic() - st.session_state[_SINCE]) * 1000)
    key = f"simple-{uuid4()}"
    api.decide(task, label, verb=verb, duration_ms=duration_ms, comment=comment or None, idempotency_key=key)
    st.session_state.pop(_TASK, None)

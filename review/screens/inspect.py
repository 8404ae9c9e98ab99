"""Inspect: one item after the other, decided with one key, without being told what the AI said."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from backend.review_tasks.schemas import Mode
from dashboard.kit import address, data, frame, session, text
from dashboard.kit.data import ModelInfo
from dashboard.kit.text import t
from review.screens.bench import component

#: What the bench can show.
KINDS: Final = ("image", "tabular", "text", "audio")
MODES: Final[tuple[Mode, ...]] = ("blind", "assist", "reveal")
LOCALES: Final = {"en": "en-US", "vi": "vi-VN"}
_bench = component.register()


def show() -> None:
    """The screen."""
    frame.require("review:work")
    use_whole_height()
    title, picker, _ = st.columns([2, 5, 0.4], vertical_alignment="center")  # the corner holds the menu
    title.subheader(t("inspect.title"), anchor=False)
    model = pick_model(picker)
    mount(model, request={"model": model.name, "modes": list(MODES)}, empty="empty.inspect", open_field="open")


def pick_model(where: Any) -> ModelInfo:
    """The model to work on (`?model=`): those whose items the bench can show."""
    found = {model.name: model for model in data.models() if model.item_kind in KINDS}
    if not found:
        frame.stop_with("inspect.no_models")
    first = next(iter(found))
    address.follow("model", found, first)
    name = where.selectbox(
        t("common.model"),
        list(found),
        key="model",
        format_func=lambda each: found[each].shown,
        label_visibility="collapsed",
    )
    address.keep("model", name, first)
    return found[name]


def use_whole_height() -> None:
    """The bench ends at the window's lower edge: nothing to scroll."""
    st.html(f"<style>{component.read('page.css')}</style>")


def mount(model: ModelInfo, *, request: dict[str, Any], empty: str, open_field: str, key: str = "bench") -> None:
    """Puts the bench on the page. `request` is what it claims; `empty` the text for when nothing waits."""
    who = session.person()
    _bench(
        key=key,
        data={
            "model": component.shape(model),
            "user": {"id": who.id},
            "preferences": who.preferences,
            "request": request,
            "undo": {"model": model.name},
            "empty": empty,
            "open_field": open_field,
            "locale": LOCALES[text.language()],
            "strings": component.strings(text.catalogue(text.language())),
        },
    )

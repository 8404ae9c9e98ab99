"""One prediction with an address of its own (`?model=...&id=...`): what went in and came out, what its file is like,
the steps of its trace, what others said about the same subject, what people decided, and what became of it."""

from __future__ import annotations

import streamlit as st

from dashboard.kit import address, data, frame
from dashboard.kit.text import t
from dashboard.screens import prediction_rows


def show() -> None:
    frame.page("prediction.title")
    bar = st.columns([1.3, 2.4], vertical_alignment="bottom")
    model = frame.model_picker(bar[0])
    address.follow_text("id")
    wanted = bar[1].text_input(t("prediction.id"), key="id", max_chars=200, placeholder=t("prediction.id_hint")).strip()
    address.keep("id", wanted, "")
    if not wanted:
        frame.empty_state("prediction.empty", action=("prediction.open_health", "health"))
        return
    found = data.find_model(model.name) or model
    prediction_rows.detail(found, wanted, is_page=True)

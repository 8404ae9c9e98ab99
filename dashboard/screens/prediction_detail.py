"""Everything about one prediction: what went in, what came out, and what others said about the same subject."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.kit import frame, gallery, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.text import t, t_or
from dashboard.screens import prediction_inputs, prediction_story


def show(
    model: ModelInfo, event: Mapping[str, Any], siblings: Sequence[Mapping[str, Any]], *, is_page: bool = False
) -> None:
    """One prediction; `siblings` are other answers to the same request or about the same subject."""
    from dashboard.screens.prediction_rows import moment

    _heading(model, event, is_page=is_page)
    pictures = [str(sha) for sha in event.get("artifacts") or []]
    sides = st.columns(2) if pictures else [st.container()]
    if len(sides) > 1:
        with sides[0]:
            _files(model, pictures)
            prediction_inputs.show_media(event)
    with sides[-1]:
        prediction_inputs.show(model, event)
    with frame.errors():
        prediction_story.show_trace(model, event, moment(event.get("happened_at")))
    with frame.errors():
        prediction_story.show_judgements(model, event, siblings)
    with frame.errors():
        prediction_story.show_feedback(model, event)
    with st.expander(t("health.detail.everything")):
        st.json(dict(event))


def _files(model: ModelInfo, files: Sequence[str]) -> None:
    """The item, and the golden sample beside it where there is one."""
    if not session.may("artifacts:read"):
        return
    places = st.columns(2)
    with places[0]:
        _file(model, files[0], t("health.detail.image"))
    with places[1]:
        _file(model, files[1] if len(files) > 1 else None, t("health.detail.golden"))


def _file(model: ModelInfo, sha256: str | None, caption: str) -> None:
    if model.item_kind == "image":
        gallery.picture(sha256, caption)
    elif model.item_kind == "audio":
        gallery.sound(sha256, caption)


def _heading(model: ModelInfo, event: Mapping[str, Any], *, is_page: bool) -> None:
    from dashboard.screens.prediction_rows import answer, moment

    if not is_page:
        title, own, close = st.columns([4, 1.6, 1], vertical_alignment="center")
        title.subheader(t("health.detail.title"), anchor=False)
        with own:
            frame.link(
                "prediction",
                t("prediction.own_address"),
                icon=":material/link:",
                model=model.name,
                id=str(event.get("event_id")),
            )
        if close.button(t("health.detail.close"), icon=":material/close:", key="close_event"):
            st.query_params.pop("event", None)
            st.rerun()
    cells = st.columns(5)
    cells[0].metric(t("health.detail.output"), answer(model, event))
    cells[1].metric(t("health.column.score"), values.number(event.get("score"), 3))
    cells[2].metric(t("health.column.latency_ms"), values.milliseconds(event.get("latency_ms")))
    status = str(event.get("status"))
    cells[3].metric(t("health.column.status"), t_or(f"health.status.{status}", status))
    cells[4].metric(t("common.version"), str(event.get("version")))
    if event.get("error"):
        st.code(str(event["error"]), language=None)
    happened, logged = moment(event.get("happened_at")), moment(event.get("logged_at"))
    st.caption(f"{values.exact(happened)} · {t('health.detail.logged', at=values.exact(logged))}")
    st.caption(t("health.detail.copy"))
    st.code(str(event.get("event_id")), language=None)

"""Drift of pictures, sounds and texts on their vectors: a section that the Drift and Performance screens show."""

from __future__ import annotations

from typing import Final

import streamlit as st

from backend.embeddings.schemas import EmbeddingDrift, EncoderOut, Example
from dashboard.kit import charts, data, frame, performance_charts, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.frame import Window
from dashboard.kit.gallery import Item, gallery
from dashboard.kit.text import t
from dashboard.screens import prediction_rows

#: Kinds of items that have vectors.
KINDS: Final = frozenset({"image", "audio", "text"})
#: A stretch counts as drifted below this adjusted p.
_MAX_Q: Final = 0.05


def show(model: ModelInfo, window: Window) -> None:
    """The verdict in words, the course over the window, and the items that show the change."""
    st.subheader(t("embeddings.title"), anchor=False, help=t("embeddings.help"))
    encoders = data.read(lambda api: api.embeddings.encoders(model.name), "encoders", model.name)
    if not encoders:
        _empty(model)
        return
    encoder = _pick(encoders)
    found = data.read_slow(
        lambda api: api.embeddings.drift(model.name, window.start, window.end, encoder=encoder),
        "embedding_drift",
        model.name,
        encoder,
        *window.key,
    )
    _verdict(found)
    if found.verdict == "insufficient":
        return
    _course(found)
    _examples(model, found)


def _pick(encoders: list[EncoderOut]) -> str:
    names = [one.encoder for one in encoders]
    if len(names) == 1:
        return names[0]
    column, _ = st.columns([1.3, 3])
    return frame.choice("embeddings.encoder", names, key="encoder", where=column) or names[0]


def _empty(model: ModelInfo) -> None:
    """Says what fills this place, and starts it where the person may."""
    frame.empty_state("embeddings.empty")
    if session.may("runs:write") and st.button(t("embeddings.run"), icon=":material/play_arrow:", key="encode"):
        with frame.errors():
            session.client().embeddings.run(model.name)
            st.success(t("embeddings.queued"), icon=":material/check:")


def _verdict(found: EmbeddingDrift) -> None:
    params = {
        "n": found.n_used_window,
        "reference": found.n_used_reference,
        "span": values.span(found.reference_start, found.reference_end),
    }
    if found.verdict == "insufficient":
        st.caption(t("embeddings.insufficient", needed=found.n_needed, **params))
        return
    by_name = {test.name: test for test in found.tests}
    told, shape = by_name["classifier"], by_name["mmd"]
    text = t(
        f"embeddings.{found.verdict}",
        auc=values.number(told.statistic, 2),
        p=_p(told.p),
        p_mmd=_p(shape.p),
        shift=values.number(found.shift_sigma, 2),
        **params,
    )
    if found.verdict == "drifted":
        st.warning(text, icon=":material/swap_horiz:")
    else:
        st.markdown(text)


def _p(value: float) -> str:
    return "≤ " + values.number(value, 3) if value <= 0.002 else "= " + values.number(value, 3)


def _course(found: EmbeddingDrift) -> None:
    if len(found.points) < 2:
        return
    st.markdown(f"**{t('embeddings.course')}**", help=t("embeddings.course_help"))
    figure = performance_charts.drift_course(
        [point.start + (point.end - point.start) / 2 for point in found.points],
        [point.auc for point in found.points],
        [point.q is not None and point.q <= _MAX_Q for point in found.points],
        [point.n for point in found.points],
        colours=frame.colours(),
        window=(found.start, found.end),
    )
    st.plotly_chart(figure, theme=None, config=charts.CONFIG, key="embedding_course", alt=t("embeddings.course_help"))


def _examples(model: ModelInfo, found: EmbeddingDrift) -> None:
    if not found.examples:
        return
    st.markdown(f"**{t('embeddings.examples')}**", help=t("embeddings.examples_help"))
    left, right = st.columns(2)
    for column, side in ((left, "reference"), (right, "window")):
        with column:
            st.caption(t(f"embeddings.side_{side}"))
            items = [_item(i, one) for i, one in enumerate(found.examples) if one.side == side]
            opened = gallery(items, key=f"embedding_{side}")
            chosen = next((one for i, one in enumerate(found.examples) if opened == f"{side}-{i}"), None)
            if chosen is not None and chosen.event_id and session.may("events:read"):
                st.query_params["event"] = chosen.event_id
    if st.query_params.get("event") and session.may("events:read"):
        prediction_rows.detail(model, st.query_params["event"])


def _item(position: int, one: Example) -> Item:
    lines = [("", values.moment(one.happened_at))]
    return Item(f"{one.side}-{position}", one.artifact, t("embeddings.item_alt"), lines)

"""The gallery of Compare: the items on which the two judges differ, all or one cell of the matrix (`?la=&lb=`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import streamlit as st

from backend.comparisons.schemas import Disagreement
from dashboard.kit import data, session, values
from dashboard.kit.gallery import Item, gallery
from dashboard.kit.text import t
from dashboard.screens import prediction_rows

if TYPE_CHECKING:
    from dashboard.screens.compare import Question

_PAGE: Final = 24
_NO_ANSWER: Final = "∅"


def cell_keeper(key: str, labels: Sequence[str], shown: Sequence[str]) -> Callable[[], None]:
    """What the matrix with this key does when a cell is clicked: the items behind it are picked (`on_select`)."""

    def keep() -> None:
        points = ((st.session_state.get(key) or {}).get("selection") or {}).get("points") or []
        if not points or points[0].get("x") not in shown or points[0].get("y") not in shown:
            return
        st.query_params["la"], st.query_params["lb"] = (
            labels[shown.index(points[0][axis])] or _NO_ANSWER for axis in ("y", "x")
        )
        st.query_params.pop("after", None)

    return keep


def show(question: Question, a: str, b: str) -> None:
    """Thumbnails with both answers, newest first, a page at a time."""
    st.subheader(t("compare.items_title"), anchor=False)
    label_a, label_b = (st.query_params.get(key) for key in ("la", "lb"))
    _filter_line(question, label_a, label_b, a, b)
    after = st.query_params.get("after")
    page = data.read(
        lambda api: api.comparisons.disagreements(
            question.model.name,
            question.a.judge,
            question.b.judge,
            question.window.start,
            question.window.end,
            segments=dict(question.segments),
            seen=question.seen,  # type: ignore[arg-type]
            label_a=_label(label_a),
            label_b=_label(label_b),
            limit=_PAGE,
            cursor=after,
        ),
        "disagreements",
        *question.key,
        label_a,
        label_b,
        after,
    )
    if not page.items:
        st.caption(t("compare.no_items"))
        return
    ids = {str(position): item for position, item in enumerate(page.items)}
    opened = gallery([_item(question, key, item, a, b) for key, item in ids.items()], key="disagreements")
    if opened in ids and ids[opened].event_id:
        st.query_params["event"] = str(ids[opened].event_id)
    _paging(after, page.next_cursor)
    if st.query_params.get("event") and session.may("events:read"):
        prediction_rows.detail(question.model, st.query_params["event"])


def _label(picked: str | None) -> str | None:
    return "" if picked == _NO_ANSWER else picked


def _filter_line(question: Question, label_a: str | None, label_b: str | None, a: str, b: str) -> None:
    if label_a is None or label_b is None:
        st.caption(t("compare.items_how"))
        return
    shown = [question.model.label_shown(_label(label) or None) for label in (label_a, label_b)]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(t("compare.items_filtered", a=a, b=b, label_a=shown[0], label_b=shown[1]))
        if st.button(t("compare.items_all"), type="tertiary", icon=":material/close:"):
            for name in ("la", "lb", "after"):
                st.query_params.pop(name, None)
            st.rerun()


def _item(question: Question, key: str, item: Disagreement, a: str, b: str) -> Item:
    model = question.model
    lines = [
        (f"{a}:", model.label_shown(item.label_a or None)),
        (f"{b}:", model.label_shown(item.label_b or None)),
    ]
    if item.truth is not None:
        lines.append((t("compare.truth"), model.label_shown(item.truth)))
    lines.append(("", values.moment(item.happened_at)))
    alt = t("compare.item_alt", subject=item.subject_id or values.NOTHING, a=lines[0][1], b=lines[1][1])
    return Item(key, item.artifact, alt, lines)


def _paging(after: str | None, next_cursor: str | None) -> None:
    with st.container(horizontal=True):
        if after and st.button(t("compare.newest"), icon=":material/first_page:"):
            st.query_params.pop("after", None)
            st.rerun()
        if next_cursor and st.button(t("compare.older"), icon=":material/chevron_right:"):
            st.query_params["after"] = next_cursor
            st.rerun()

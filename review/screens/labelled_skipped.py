"""The part of Labelled data about what was skipped instead of labelled: reasons, the newest items, and the file."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

import streamlit as st

from backend.labelled_data.client import skip_params
from backend.labelled_data.schemas import SkippedItem
from dashboard.kit import data
from dashboard.kit.data import ModelInfo
from dashboard.kit.frame import Window
from dashboard.kit.tables import table
from dashboard.kit.text import t
from dashboard.kit.values import moment, number, percent
from review.rules.skips import SKIP_REASONS

FORMATS: Final = ("jsonl", "csv", "parquet")
_EXPORT: Final = "/v1/labelled-data/skipped/export"
_NEWEST: Final = 100


def show(model: ModelInfo, window: Window) -> None:
    """Nothing where nothing was skipped."""
    wanted = {"start": window.start, "end": window.end}
    found = data.read(
        lambda api: api.labelled_data.skipped(model.name, limit=_NEWEST, **wanted), "skipped", model.name, *window.key
    )
    if not found.n_items:
        return
    st.subheader(t("labelled.skipped.title"), anchor=False, help=t("labelled.skipped.help"))
    reasons = [name for name in (*SKIP_REASONS, "") if found.reasons.get(name)]
    places = st.columns(5)
    for place, name in zip(places, reasons, strict=False):
        n = found.reasons[name]
        share = percent(n / found.n_items)
        place.metric(reason_shown(name or None), number(n), share, "off", border=True, delta_arrow="off")
    _downloads(model, wanted)
    st.caption(t("labelled.preview_note", n=len(found.items), total=found.n_items))
    table([_row(item) for item in found.items], alt=t("labelled.skipped.title"))


def reason_shown(reason: str | None) -> str:
    """Why an item was skipped, as the reader says it."""
    return t(f"labelled.skipped.reason.{reason}" if reason in SKIP_REASONS else "labelled.skipped.reason.none")


def export_url(model: str, wanted: dict[str, Any], form: str) -> str:
    """The API's address of the file."""
    asked = {"model": model, "format": form, **skip_params(**wanted)}
    return f"{_EXPORT}?{urlencode({name: value for name, value in asked.items() if value is not None}, doseq=True)}"


def _downloads(model: ModelInfo, wanted: dict[str, Any]) -> None:
    with st.container(horizontal=True):
        for form in FORMATS:
            st.link_button(form.upper(), export_url(model.name, wanted, form), icon=":material/download:")


def _row(item: SkippedItem) -> dict[str, str]:
    state = item.state if item.state in ("open", "skipped", "done") else None
    return {
        t("labelled.column.subject"): item.subject_id,
        t("labelled.skipped.column.reason"): reason_shown(item.reason),
        t("labelled.skipped.column.comment"): item.comment or "",
        t("labelled.skipped.column.state"): t(f"labelled.skipped.state.{state}") if state else "",
        t("labelled.column.segments"): ", ".join(f"{key} = {value}" for key, value in item.segments.items()),
        t("labelled.skipped.column.at"): moment(item.skipped_at),
    }

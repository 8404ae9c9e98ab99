"""Part of one prediction: its inputs with what the model declares of them, the numbers sent along, and what was
measured of its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from backend.client import ApiError
from dashboard.kit import data, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.tables import table
from dashboard.kit.text import t, t_or

#: Unit of each measure of a file; others are plain numbers.
_UNITS: Final = {
    "width_px": "px",
    "height_px": "px",
    "duration_s": "s",
    "volume_dbfs": "dbfs",
    "silence_share": "share",
    "length_chars": "chars",
}


def show(model: ModelInfo, event: Mapping[str, Any]) -> None:
    """Inputs and segments, then metrics."""
    _inputs(model, event)
    _metrics(event)


def remark(field: Mapping[str, Any] | None, value: Any) -> str:
    """What is strange about a value, by what the input declares; empty when nothing is."""
    if value is None:
        is_required = bool(field and field.get("required"))
        return t("prediction.remark.missing_required") if is_required else t("health.detail.missing")
    if field is None:
        return ""
    low, high = field.get("minimum"), field.get("maximum")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if low is not None and value < low:
            return t("prediction.remark.below", limit=values.number(low))
        if high is not None and value > high:
            return t("prediction.remark.above", limit=values.number(high))
    if field.get("categories") and isinstance(value, str) and value not in field["categories"]:
        return t("prediction.remark.unseen")
    return ""


def written(value: Any) -> str:
    """A value as the reader writes it."""
    if value is None:
        return values.NOTHING
    return values.number(value) if isinstance(value, float) else str(value)[:300]


def _inputs(model: ModelInfo, event: Mapping[str, Any]) -> None:
    declared = {str(field["name"]): field for field in model.inputs}
    fields = {name.removeprefix("in_"): value for name, value in event.items() if name.startswith("in_")}
    unknown = ((event.get("extra") or {}) if isinstance(event.get("extra"), Mapping) else {}).get("inputs") or {}
    segments = {name.removeprefix("seg_"): value for name, value in event.items() if name.startswith("seg_")}
    if not fields and not segments and not unknown:
        st.caption(t("health.detail.no_inputs"))
        return
    st.markdown(f"**{t('health.detail.inputs')}**")
    rows = [_row(name, written(value), remark(declared.get(name), value)) for name, value in fields.items()]
    rows += [_row(name, written(value), t("prediction.remark.undeclared")) for name, value in unknown.items()]
    rows += [_row(name, written(value), t("common.segment")) for name, value in segments.items() if value is not None]
    table(rows, alt=t("health.detail.inputs"), height=300)


def _row(name: str, value: str, note: str) -> dict[str, str]:
    return {
        t("health.detail.field"): name,
        t("health.detail.value"): value,
        t("prediction.remark.title"): note,
    }


def _metrics(event: Mapping[str, Any]) -> None:
    sent = {name.removeprefix("metric_"): value for name, value in event.items() if name.startswith("metric_")}
    extra = event.get("extra")
    sent |= (extra.get("metrics") or {}) if isinstance(extra, Mapping) else {}
    rows = [
        {t("health.detail.field"): name, t("health.detail.value"): written(value)}
        for name, value in sent.items()
        if value is not None
    ]
    if rows:
        st.markdown(f"**{t('health.groups.metric')}**")
        table(rows, alt=t("health.groups.metric"))


def show_media(event: Mapping[str, Any]) -> None:
    """What was measured of the file; until it is sealed beside the prediction, the file itself knows."""
    found = {name.removeprefix("media_"): value for name, value in event.items() if name.startswith("media_")}
    found = {name: value for name, value in found.items() if value is not None}
    files = event.get("artifacts") or []
    if not found and files and session.may("artifacts:read"):
        found = _of_file(str(files[0]))
    if not found:
        return
    st.markdown(f"**{t('health.groups.media')}**")
    rows = [
        {
            t("health.detail.field"): t_or(f"prediction.media.{name}", name),
            t("health.detail.value"): value if isinstance(value, str) else values.by_unit(value, _UNITS.get(name, "")),
        }
        for name, value in found.items()
    ]
    table(rows, alt=t("health.groups.media"))


def _of_file(sha256: str) -> dict[str, Any]:
    try:
        return data.read(lambda api: api.artifacts.meta(sha256), "meta", sha256).measures or {}
    except ApiError:
        return {}

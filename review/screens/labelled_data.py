"""Labelled data: choose resolved labels, look at them, and take them away as a file with its manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import streamlit as st

from backend.labelled_data.client import filter_params
from backend.labelled_data.schemas import LabelCounts, LabelledItem, LabelledPage
from dashboard.kit import address, data, frame
from dashboard.kit.data import ModelInfo
from dashboard.kit.text import t
from dashboard.kit.values import moment, number, percent
from review.screens import labelled_skipped

METHODS: Final = ("consensus", "adjudication", "measured", "imported", "corrected")
VIEWS: Final = ("table", "gallery")
FORMATS: Final = ("jsonl", "csv", "parquet")
PREVIEW: Final = 200
GALLERY: Final = 24
_EXPORT: Final = "/v1/labelled-data/{}"
_THUMBNAIL: Final = "/v1/artifacts/{}/thumbnail"


def show() -> None:
    """The screen."""
    frame.require("labels:read")
    frame.page("labelled.title", "labelled.intro")
    first, second = st.columns(2)
    model = frame.model_picker(first)
    window = frame.time_range(second, default="30d")
    wanted = {"start": window.start, "end": window.end, **_filters(model)}
    key = (model.name, repr(sorted(wanted.items())))
    with frame.errors():
        counts = data.read(lambda api: api.labelled_data.counts(model.name, **wanted), "label-counts", *key)
        if counts.n_items == 0:
            frame.empty_state("labelled.empty")
        else:
            _counts(model, counts)
            _export(model, wanted)
            page = data.read(lambda api: api.labelled_data.list(model.name, limit=PREVIEW, **wanted), "labels", *key)
            _preview(model, page, counts)
        labelled_skipped.show(model, window)


# --- filters -------------------------------------------------------------------------------------------------------


def _filters(model: ModelInfo) -> dict[str, Any]:
    """What the person asked for, as the API takes it; every choice is in the address."""
    labels, methods, segments, flags = st.columns([3, 3, 3, 3], vertical_alignment="bottom")
    names = [label.name for label in model.labels]
    return {
        "label": _several(labels, "label", names, model.label_shown) if names else None,
        "method": _several(methods, "method", METHODS, lambda name: t(f"labelled.method.{name}")),
        "segment": _segment(segments, model),
        "disagreement_only": _flag(flags, "disputed") or None,
    }


def _flag(where: Any, key: str) -> bool:
    address.follow_flag(key)
    is_on: bool = where.toggle(t("labelled.disagreement_only"), key=key, help=t("labelled.disagreement_help"))
    address.keep(key, is_on)
    return is_on


def _several(where: Any, name: str, options: Sequence[str], shown: Any) -> list[str] | None:
    key = f"with_{name}"
    address.follow_all(key, options)
    picked: list[str] = where.multiselect(
        t(f"labelled.filter.{name}"), list(options), key=key, format_func=shown, placeholder=t("common.all")
    )
    address.keep(key, picked)
    return picked or None


def _segment(where: Any, model: ModelInfo) -> list[str] | None:
    """key:value pairs, all of which must hold; values are typed because nobody lists them."""
    hint = ", ".join(f"{key}:…" for key in model.segment_keys[:3])
    address.follow_text("with_segment")
    typed = where.text_input(
        t("labelled.filter.segment"),
        key="with_segment",
        placeholder=hint or "key:value",
        help=t("labelled.segment_help"),
    )
    address.keep("with_segment", typed)
    return segments_in(typed) or None


def segments_in(typed: str | None) -> list[str]:
    """The pairs in what was typed; parts without a colon are left out.

    >>> segments_in("line:A, camera:2, x")
    ['line:A', 'camera:2']
    """
    parts = (part.strip() for part in (typed or "").split(","))
    return [part for part in parts if ":" in part and all(part.split(":", 1))]


# --- counts and export ---------------------------------------------------------------------------------------------


def _counts(model: ModelInfo, counts: LabelCounts) -> None:
    shown = sorted(counts.labels.items(), key=lambda pair: -pair[1])[:5]
    places = st.columns(len(shown) + 1)
    places[0].metric(t("labelled.n_items"), number(counts.n_items), border=True, height="stretch")
    for place, (name, n) in zip(places[1:], shown, strict=True):
        share = percent(n / counts.n_items)
        place.metric(model.label_shown(name), number(n), share, "off", border=True, delta_arrow="off", height="stretch")


def _export(model: ModelInfo, wanted: Mapping[str, Any]) -> None:
    """Links to the API's streaming downloads: nothing is collected in this process."""
    with st.container(border=True):
        places = st.columns([4, 1, 1, 1], vertical_alignment="center")
        places[0].markdown(f"**{t('labelled.export')}**  \n{t('labelled.export_note')}")
        for place, form in zip(places[1:], FORMATS, strict=True):
            href = export_url("export", model.name, wanted, form)
            place.link_button(form.upper(), href, icon=":material/download:", width="stretch", type="primary")
            place.link_button(t("labelled.manifest"), export_url("manifest", model.name, wanted, form), width="stretch")


def export_url(what: str, model: str, wanted: Mapping[str, Any], form: str) -> str:
    """The API's address of an export or its manifest with the filters of the screen."""
    asked = {"model": model, "format": form, **filter_params(**wanted)}
    asked = {name: str(value).lower() if isinstance(value, bool) else value for name, value in asked.items()}
    return f"{_EXPORT.format(what)}?{urlencode({name: v for name, v in asked.items() if v is not None}, doseq=True)}"


# --- preview -------------------------------------------------------------------------------------------------------


def _preview(model: ModelInfo, page: LabelledPage, counts: LabelCounts) -> None:
    address.follow("as", VIEWS, VIEWS[0])
    shown = st.segmented_control(
        t("labelled.preview"),
        VIEWS,
        required=True,
        key="as",
        format_func=lambda name: t(f"labelled.as.{name}"),
        label_visibility="collapsed",
    )
    address.keep("as", shown, VIEWS[0])
    st.caption(t("labelled.preview_note", n=min(len(page.items), PREVIEW), total=counts.n_items))
    if shown == "gallery":
        _gallery(model, page.items)
    else:
        st.dataframe(
            [_row(model, item) for item in page.items],
            column_config=_columns(),
            hide_index=True,
            row_height=48,
            height=560,
        )


def _row(model: ModelInfo, item: LabelledItem) -> dict[str, Any]:
    return {
        "picture": _THUMBNAIL.format(item.artifact_sha256) if item.artifact_sha256 else None,
        "subject": item.subject_id,
        "label": model.label_shown(item.label),
        "method": t(f"labelled.method.{item.method}") if item.method in METHODS else item.method,
        "ai": model.label_shown(item.champion_label) if item.champion_version else "",
        "version": item.champion_version or "",
        "opinions": item.n_opinions,
        "segments": ", ".join(f"{key} = {value}" for key, value in item.segments.items()),
        "resolved_at": moment(item.resolved_at),
    }


def _columns() -> dict[str, Any]:
    names = ("subject", "label", "method", "ai", "version", "opinions", "segments", "resolved_at")
    columns: dict[str, Any] = {name: t(f"labelled.column.{name}") for name in names}
    columns["picture"] = st.column_config.ImageColumn(t("labelled.column.picture"), width="small")
    return columns


def _gallery(model: ModelInfo, items: Sequence[LabelledItem]) -> None:
    with_picture = [item for item in items if item.artifact_sha256][:GALLERY]
    if not with_picture:
        st.info(t("labelled.no_pictures"))
        return
    for first in range(0, len(with_picture), 6):
        for place, item in zip(st.columns(6), with_picture[first : first + 6], strict=False):
            differs = item.champion_version and item.champion_label != item.label
            said = t("labelled.ai_said", answer=model.label_shown(item.champion_label)) if differs else ""
            picture = f"![{item.subject_id}]({_THUMBNAIL.format(item.artifact_sha256)})"
            place.markdown(f"{picture}  \n**{model.label_shown(item.label)}**  \n{item.subject_id}  \n{said}")

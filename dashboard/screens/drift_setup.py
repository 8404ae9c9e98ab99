"""The lower part of the Drift screen: references (freeze, choose, delete), the knob, and all features at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import streamlit as st

from backend.client import ApiError
from backend.drift.schemas import ReferenceOut
from dashboard.kit import data, frame, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.frame import Window
from dashboard.kit.tables import table
from dashboard.kit.text import reader, t


def show(model: ModelInfo, found: Sequence[ReferenceOut]) -> None:
    """References and settings; who may not change them sees them."""
    may_write = session.may("models:write")
    with st.expander(t("drift.setup.references"), icon=":material/anchor:", expanded=not found):
        _list(found)
        if may_write:
            _create(model)
            _change(found)
    if not found:
        return
    with st.expander(t("drift.setup.settings"), icon=":material/tune:"):
        _settings(model, may_write)


def together(model: ModelInfo, window: Window, narrow: dict[str, Any]) -> None:
    """All features at once, when somebody asks: it reads rows and takes some seconds."""
    with st.expander(t("drift.together.title"), icon=":material/hub:"), frame.errors():
        st.caption(t("drift.together.body"))
        if not st.button(t("drift.together.run"), key="drift_together"):
            return
        with st.spinner(t("drift.together.running")):
            try:
                found = session.client().drift.together(model.name, window.start, window.end, **narrow)
            except ApiError as error:
                if error.code != "too_few_rows":
                    raise
                st.info(t("drift.together.too_few"))
                return
        cells = st.columns(4)
        cells[0].metric(t("drift.together.auc"), values.number(found.auc, 3))
        cells[1].metric(t("drift.together.shift"), f"{values.number(found.shift_sigma, 2)} σ")
        cells[2].metric(t("drift.together.mmd"), values.number(found.mmd2, 4))
        cells[3].metric(t("drift.together.mmd_p"), values.number(found.mmd2_p, 3))
        st.caption(t("drift.together.rows", n=found.n_current, m=found.n_reference))


def _list(found: Sequence[ReferenceOut]) -> None:
    if not found:
        return
    rows = [
        {
            t("drift.setup.number"): str(one.number),
            t("drift.setup.name"): one.name,
            t("drift.setup.kind"): t(f"drift.kind.{one.kind}"),
            t("drift.setup.what"): _what(one),
            t("drift.setup.rows"): values.number(one.n_rows),
            t("drift.setup.state"): t("drift.setup.is_current") if one.is_current else _state(one),
            t("drift.setup.made"): values.moment(one.created_at),
        }
        for one in found
    ]
    table(rows, alt=t("drift.setup.references"))
    notes = [
        f"{name}: {t(f'drift.note.{note}')}" for one in found if one.is_current for name, note in one.notes.items()
    ]
    if notes:
        st.caption(t("drift.setup.notes", notes="; ".join(notes[:8])))


def _what(one: ReferenceOut) -> str:
    if one.kind == "weeks":
        return t("drift.setup.weeks_back", n=one.weeks or 0)
    return values.span(one.start, one.end) if one.start and one.end else values.NOTHING


def _state(one: ReferenceOut) -> str:
    if one.state == "ready":
        return t("drift.setup.ready")
    return t("drift.setup.counting", share=values.percent(one.progress, 0))


def _create(model: ModelInfo) -> None:
    st.markdown(f"**{t('drift.setup.create')}**")
    kind = st.segmented_control(
        t("drift.setup.kind"),
        ["window", "weeks", "upload"],
        default="window",
        format_func=lambda name: t(f"drift.kind.{name}"),
        key="drift_kind",
    )
    name = st.text_input(t("drift.setup.name"), max_chars=100, key="drift_name", placeholder=t("drift.setup.name_hint"))
    wish: dict[str, Any] = {"name": name.strip() or None}
    content = None
    if kind == "upload":
        file = st.file_uploader(t("drift.setup.file"), type=["csv", "parquet"], help=t("drift.setup.file_help"))
        content = file.getvalue() if file is not None else None
    elif kind == "weeks":
        wish |= {"kind": "weeks", "weeks": int(st.number_input(t("drift.setup.weeks"), 1, 12, 4, key="drift_weeks"))}
    else:
        start, end = _days()
        wish |= {"kind": "window", "start": start, "end": end}
    if st.button(
        t("drift.setup.freeze"), type="primary", key="drift_freeze", disabled=kind == "upload" and not content
    ):
        with frame.errors():
            _send(model, wish, content)


def _days() -> tuple[datetime, datetime]:
    today = datetime.now(reader().zone).date()
    picked = st.date_input(
        t("drift.setup.days"),
        (today - timedelta(days=14), today - timedelta(days=1)),
        max_value=today,
        key="drift_days",
        format="DD/MM/YYYY",
    )
    first, last = (picked[0], picked[-1]) if isinstance(picked, tuple | list) and picked else (today, today)
    start = datetime.combine(first, time(), tzinfo=reader().zone).astimezone(UTC)
    return start, datetime.combine(last, time(), tzinfo=reader().zone).astimezone(UTC) + timedelta(days=1)


def _send(model: ModelInfo, wish: dict[str, Any], content: bytes | None) -> None:
    api = session.client()
    try:
        if content is not None:
            api.drift.upload_reference(model.name, content, name=wish["name"])
        else:
            api.drift.create_reference(
                model=model.name, **{key: value for key, value in wish.items() if value is not None}
            )
    except ApiError as error:
        if error.status not in (409, 422):
            raise
        st.error(t("drift.setup.refused", message=error.message), icon=":material/error:")
        return
    data.forget()
    st.query_params.pop("reference", None)
    st.rerun()


def _change(found: Sequence[ReferenceOut]) -> None:
    if not found:
        return
    by_id = {one.id: one for one in found}
    left, use, drop = st.columns([2.4, 1, 1], vertical_alignment="bottom")
    picked = left.selectbox(
        t("drift.setup.change"),
        list(by_id),
        format_func=lambda i: t("drift.reference_named", number=by_id[i].number, name=by_id[i].name),
        key="drift_change",
    )
    chosen = by_id[picked or found[0].id]
    with frame.errors():
        if use.button(t("drift.setup.use"), disabled=chosen.is_current, width="stretch", key="drift_use"):
            session.client().drift.make_current(chosen.id)
            _again()
        sure = drop.popover(t("drift.setup.delete"), width="stretch")
        sure.caption(t("drift.setup.delete_body"))
        if sure.button(t("common.confirm"), key="drift_delete"):
            session.client().drift.delete_reference(chosen.id)
            _again()


def _again() -> None:
    data.forget()
    st.query_params.pop("reference", None)
    st.rerun()


def _settings(model: ModelInfo, may_write: bool) -> None:
    with frame.errors():
        known = data.read(lambda api: api.drift.settings(model.name), "drift_settings", model.name)
        columns = st.columns([1, 1, 1, 0.8], vertical_alignment="bottom")
        alarms = columns[0].number_input(
            t("drift.setup.alarms"),
            0.01,
            100.0,
            float(known.alarms_per_month),
            0.5,
            help=t("drift.setup.alarms_help"),
            disabled=not may_write,
        )
        floor = columns[1].number_input(
            t("drift.setup.floor"),
            0.0,
            2.0,
            float(known.floor_sigma),
            0.05,
            help=t("drift.setup.floor_help"),
            disabled=not may_write,
        )
        lengths = {3_600: "1h", 21_600: "6h", 86_400: "24h", 604_800: "7d"}
        options = sorted({*lengths, known.window_s})
        length = columns[2].selectbox(
            t("drift.setup.window"),
            options,
            index=options.index(known.window_s),
            format_func=lambda s: t("drift.setup.hours", n=s // 3600),
            help=t("drift.setup.window_help"),
            disabled=not may_write,
        )
        if may_write and columns[3].button(t("common.save"), width="stretch", key="drift_save"):
            session.client().drift.change_settings(
                model.name, alarms_per_month=float(alarms), floor_sigma=float(floor), window_s=int(length or 86_400)
            )
            data.forget()
            st.rerun()

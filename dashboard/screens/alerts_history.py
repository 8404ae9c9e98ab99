"""What fired in a stretch of time, newest first; a picked row opens as a card."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import streamlit as st

from backend.alerts.schemas import IncidentOut
from dashboard.kit import data, frame, values
from dashboard.kit.alert_words import rule_name, series_name
from dashboard.kit.tables import picked_row
from dashboard.kit.text import t
from dashboard.screens import alerts_firing


def show() -> None:
    window = frame.time_range(st.columns([1, 3])[0], default="30d")
    page = data.read(
        lambda api: api.alerts.incidents(start=window.start, end=window.end, limit=500), "incidents", *window.key
    )
    if not page.items:
        st.caption(t("alerts.history.none"))
        return
    picked = picked_row([_row(item) for item in page.items], alt=t("alerts.views.history"), key="history", height=430)
    if picked is None:
        st.caption(t("alerts.history.pick"))
    else:
        alerts_firing.one(page.items[picked])
    frame.window_caption(window)


def _row(item: IncidentOut) -> dict[str, Any]:
    row = {
        "model": item.model,
        "rule": rule_name(item.rule_name, item.title_key),
        "series": series_name(item.series, item.series_of),
        "state": t("alerts.state.failing" if item.kind == "failure" else f"alerts.state.{item.state}"),
        "opened": values.moment(item.opened_at),
        "lasted": lasted(item.opened_at, item.closed_at),
        "peak": values.by_unit(item.peak, item.unit),
        "verdict": t(f"alerts.verdict_short.{item.verdict}") if item.verdict else "",
        "end": t(f"alerts.history.end.{item.end_reason or 'open'}"),
    }
    return {t(f"alerts.history.column.{name}"): value for name, value in row.items()}


def lasted(opened_at: datetime, closed_at: datetime | None) -> str:
    """How long it went on, in words; nothing while it goes on."""
    from babel import dates

    from dashboard.kit.text import locale

    if closed_at is None:
        return ""
    return str(dates.format_timedelta(closed_at - opened_at, threshold=1.2, locale=locale()))

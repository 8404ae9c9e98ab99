"""Ingestion health: what comes in, what was refused and why (readable), what callers changed, and how it is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import streamlit as st

from backend.ingestion.schemas import IngestionHealth, ModelIngestion
from dashboard.kit import charts, data, frame, values
from dashboard.kit.frame import Window
from dashboard.kit.tables import table
from dashboard.kit.text import t, t_or
from dashboard.screens import ingestion_notices, ingestion_quarantine

_ALL: Final = "-"


def show() -> None:
    frame.page("ingestion.title")
    model, window = _pick()
    health = data.read(
        lambda api: api.ingestion.health(window.start, window.end, model=model, grain_s=window.grain_s),
        "ingestion",
        model,
        *window.key,
    )
    if not health.models:
        frame.empty_state("common.no_models", code=frame.FIRST_MODEL)
        return
    _numbers(health)
    _over_time(health, window)
    _models(health)
    with frame.errors():
        ingestion_notices.show(model)
    with frame.errors():
        ingestion_quarantine.show(model, reason)
    frame.window_caption(window)


def reason(code: str) -> str:
    """Why a row was refused, in words."""
    return t_or(f"ingestion.reason.{code}", code)


def _pick() -> tuple[str | None, Window]:
    columns = st.columns([1.3, 1, 2.2], vertical_alignment="bottom")
    names = {model.name: model.shown for model in data.models()}
    picked = frame.choice(
        "common.model",
        [_ALL, *names],
        key="model",
        shown=lambda name: t("common.all") if name == _ALL else names[name],
        where=columns[0],
    )
    return (None if picked == _ALL else picked), frame.time_range(columns[1], default="24h")


def _numbers(health: IngestionHealth) -> None:
    accepted = sum(model.accepted for model in health.models)
    repeated = sum(model.duplicates for model in health.models)
    refused = sum(sum(model.refused.values()) for model in health.models)
    stored = sum(model.lake_events for model in health.models)
    n_bytes = sum(model.lake_bytes for model in health.models)
    cells = st.columns(5)
    cells[0].metric(t("ingestion.accepted"), values.number(accepted), help=t("ingestion.accepted_help"))
    cells[1].metric(t("ingestion.repeated"), values.number(repeated), help=t("ingestion.repeated_help"))
    share = refused / (accepted + repeated + refused) if refused else 0.0
    cells[2].metric(t("ingestion.refused"), values.number(refused), help=t("ingestion.refused_help"))
    cells[2].caption(t("ingestion.refused_share", share=values.percent(share)))
    cells[3].metric(t("ingestion.hot"), values.number(sum(model.hot_events for model in health.models)))
    cells[3].caption(t("ingestion.hot_help"))
    cells[4].metric(t("ingestion.bytes_per_event"), values.size(n_bytes / stored if stored else None))
    cells[4].caption(t("ingestion.stored", size=values.size(n_bytes), n=stored))


def _over_time(health: IngestionHealth, window: Window) -> None:
    series = health.series
    left, right = st.columns(2)
    with left:
        parts: dict[str, Any] = {t("ingestion.accepted"): series.accepted, t("ingestion.repeated"): series.duplicates}
        _bars("ingestion.over_time", health, parts, "ingestion_accepted", window)
    with right:
        refused: dict[str, Any] = {reason(code): counts for code, counts in series.refused.items()}
        if refused:
            _bars("ingestion.refused_over_time", health, refused, "ingestion_refused", window)
        else:
            st.markdown(f"**{t('ingestion.refused_over_time')}**")
            st.caption(t("ingestion.nothing_refused"))


def _bars(title: str, health: IngestionHealth, parts: dict[str, Any], key: str, window: Window) -> None:
    st.markdown(f"**{t(title)}**")
    figure = charts.stacked_bars(
        health.series.bucket_at, parts, colours=frame.colours(), window=(window.start, window.end)
    )
    said = ", ".join(f"{name}: {values.number(sum(counts))}" for name, counts in parts.items())
    st.plotly_chart(figure, theme=None, config=charts.CONFIG, key=key, alt=f"{t(title)}. {said}")


def _models(health: IngestionHealth) -> None:
    st.subheader(t("ingestion.models"), anchor=False)
    now = datetime.now(UTC)
    table([_model(model, now) for model in health.models], alt=t("ingestion.models"))


def _model(model: ModelIngestion, now: datetime) -> dict[str, str]:
    seal = values.NOTHING
    if model.last_seal_at is not None:
        seal = t("ingestion.seal", ago=values.ago(model.last_seal_at, now), n=model.last_seal_events or 0)
    row = {
        "model": model.model if model.known else t("ingestion.unknown_model", name=model.model),
        "accepted": values.number(model.accepted),
        "repeated": values.number(model.duplicates),
        "refused": values.number(sum(model.refused.values())),
        "hot": values.number(model.hot_events),
        "oldest": values.ago(model.oldest_hot_at, now),
        "last_seal": seal,
        "lake": values.number(model.lake_events),
        "files": values.number(model.lake_files),
        "bytes_per_event": values.size(model.bytes_per_event),
    }
    return {t(f"ingestion.column.{name}"): value for name, value in row.items()}

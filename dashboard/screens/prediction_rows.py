"""The rows behind a selection, a page at a time, and everything about one prediction: inputs, output, pictures, what
versions in shadow, people and the truth said about the same subject. Used by Health and Compare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import streamlit as st

from backend.client import ApiError, Client
from backend.predictions.schemas import EventPage
from dashboard.kit import data, frame, selection, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.tables import picked_row
from dashboard.kit.text import t, t_or
from dashboard.screens import prediction_detail, prediction_story

_PAGE: Final = 50
_FILTERS: Final[Mapping[str, dict[str, Any]]] = {
    "everything": {},
    "only_errors": {"where": '[["status", "ne", "ok"]]'},
    "only_null": {"is_null_output": "true"},
    "only_missing": {"where": '[["n_missing", "gt", 0]]'},
}
#: What a person who selected on the chart of a measure most likely wants to see.
_FOR_MEASURE: Final = {
    "error_rate": "only_errors",
    "error_rate_by_kind": "only_errors",
    "timeout_rate": "only_errors",
    "null_output_rate": "only_null",
    "missing_rate": "only_missing",
    "incomplete_rate": "only_missing",
    "missing_rate_by_field": "only_missing",
}


def show(model: ModelInfo, chosen: selection.Range, *, version: str | None, segment: tuple[str, str] | None) -> None:
    """The rows of the selected stretch, newest first."""
    st.subheader(t("health.rows.title"), anchor=False)
    if not session.may("events:read"):
        st.info(t("health.rows.only_for_scientists"), icon=":material/lock:")
        return
    bar = st.columns([2.4, 1.2, 1], vertical_alignment="bottom")
    bar[0].caption(f"{values.span(chosen.start, chosen.end)}")
    start = _FOR_MEASURE.get(chosen.measure.partition(":")[0], "everything")
    picked = frame.choice(
        "health.rows.filter",
        list(_FILTERS),
        key="rows",
        shown=lambda name: t(f"health.rows.{name}"),
        default=start,
        where=bar[1],
    )
    if bar[2].button(t("health.rows.clear"), icon=":material/close:"):
        selection.clear()
        st.query_params.pop("event", None)
        st.rerun()
    after = st.query_params.get("after")
    page = _page(model, chosen, version, segment, picked or start, after)
    if not page.events:
        st.caption(t("health.rows.none"))
        return
    _table(model, page)
    _paging(after, page.next_cursor)
    if st.query_params.get("event"):
        detail(model, st.query_params["event"])


def _page(
    model: ModelInfo,
    chosen: selection.Range,
    version: str | None,
    segment: tuple[str, str] | None,
    picked: str,
    after: str | None,
) -> EventPage:
    params: dict[str, Any] = {**_FILTERS[picked], "version": version, "limit": _PAGE, "cursor": after}
    conditions = json.loads(params.get("where") or "[]")
    if segment:
        conditions.append([f"seg_{segment[0]}", "eq", segment[1]])
    field = chosen.measure.partition(":")[2]
    if picked == "only_missing" and field:  # selected on the small chart of one input
        conditions = [*(one for one in conditions if one[0] != "n_missing"), [f"in_{field}", "is_null"]]
    params["where"] = json.dumps(conditions) if conditions else None
    return data.read(
        lambda api: api.transport.get(
            "/v1/predictions",
            EventPage,
            model=model.name,
            start=chosen.start.isoformat(),
            end=chosen.end.isoformat(),
            **params,
        ),
        "rows",
        model.name,
        chosen.text(),
        *sorted((name, str(value)) for name, value in params.items()),
    )


def _table(model: ModelInfo, page: EventPage) -> None:
    rows = [_row(model, event) for event in page.events]
    st.caption(t("health.rows.pick"))
    key = f"rows_{page.events[0]['event_id']}"
    picked = picked_row(rows, alt=t("health.rows.title"), key=key, height=360)
    if picked is not None:
        wanted = str(page.events[picked]["event_id"])
        if st.query_params.get("event") != wanted:
            st.query_params["event"] = wanted


def _row(model: ModelInfo, event: Mapping[str, Any]) -> dict[str, str]:
    written = {
        "happened_at": values.exact(moment(event.get("happened_at"))).rsplit(" ", 1)[0],
        "version": str(event.get("version") or values.NOTHING),
        "role": t_or(f"common.role.{event.get('role')}", str(event.get("role"))),
        "prediction": answer(model, event),
        "score": values.number(event.get("score"), 3),
        "latency_ms": values.milliseconds(event.get("latency_ms")),
        "status": t_or(f"health.status.{event.get('status')}", str(event.get("status"))),
        "n_missing": values.number(event.get("n_missing")),
        "subject_id": str(event.get("subject_id") or values.NOTHING),
    }
    return {t(f"health.column.{name}"): value for name, value in written.items()}


def answer(model: ModelInfo, event: Mapping[str, Any]) -> str:
    """The output of a prediction as the reader calls it."""
    if event.get("prediction") is None:
        return t("common.no_answer")
    return model.label_shown(str(event["prediction"]))[:200]


def moment(value: Any) -> datetime | None:
    """A time of a stored row."""
    if value is None:
        return None
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _paging(after: str | None, next_cursor: str | None) -> None:
    with st.container(horizontal=True):
        if after and st.button(t("health.rows.first"), icon=":material/first_page:"):
            st.query_params.pop("after", None)
            st.rerun()
        if next_cursor and st.button(t("health.rows.more"), icon=":material/chevron_right:"):
            st.query_params["after"] = next_cursor
            st.rerun()


def detail(model: ModelInfo, event_id: str, *, is_page: bool = False) -> None:
    """Everything about one prediction, below the rows or on a page of its own."""
    try:
        event = data.read(lambda api: _event(api, model.name, event_id), "event", model.name, event_id)
    except ApiError as error:
        if error.status != 404:
            raise
        st.info(t("health.detail.not_found"))
        return
    siblings = prediction_story.others(model, event, moment(event.get("happened_at")))
    with st.container(border=not is_page):
        prediction_detail.show(model, event, siblings, is_page=is_page)


def _event(api: Client, model: str, event_id: str) -> dict[str, Any]:
    path = f"/v1/predictions/{quote(event_id, safe='')}"
    found: dict[str, Any] = api.transport.request("GET", path, params={"model": model}).json()
    return found

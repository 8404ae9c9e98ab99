"""Part of one prediction: the steps of its trace, what other versions and people said, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import streamlit as st

from backend.client import ApiError
from backend.decisions.schemas import DecisionOut
from backend.pipelines.trace_schemas import SpanOut
from backend.predictions.schemas import EventPage
from dashboard.kit import data, frame, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.tables import table
from dashboard.kit.text import t, t_or

#: Answers about a subject and spans of a trace are looked for this long before and after the prediction.
_AROUND: Final = timedelta(days=15)
_TRACE: Final = timedelta(hours=1)
_LIMIT: Final = 50


def others(model: ModelInfo, event: Mapping[str, Any], at: datetime | None) -> list[dict[str, Any]]:
    """What versions answered to the same request or about the same subject, within two weeks, newest first."""
    if at is None:
        return []
    found: dict[str, dict[str, Any]] = {}
    for key in ("request_id", "subject_id"):
        if event.get(key):
            page = _page(model.name, str(event.get("event_id")), at, _AROUND, key, str(event[key]))
            found |= {str(row["event_id"]): row for row in page.events}
    found.pop(str(event.get("event_id")), None)
    return sorted(found.values(), key=lambda row: str(row["happened_at"]), reverse=True)


def show_trace(model: ModelInfo, event: Mapping[str, Any], at: datetime | None) -> None:
    """The other steps of the same trace, across the models of its pipeline."""
    trace_id = event.get("trace_id")
    if not trace_id or at is None:
        return
    spans = _spans(model, str(trace_id), at)
    if not spans:
        page = _page(model.name, str(event.get("event_id")), at, _TRACE, "trace_id", str(trace_id))
        spans = [_as_span(model, row) for row in page.events]
    st.markdown(f"**{t('prediction.trace')}**")
    st.code(str(trace_id), language=None)
    rows = [_span_row(span, str(event.get("event_id"))) for span in sorted(spans, key=lambda span: span.start_at)]
    table(rows, alt=t("prediction.trace"))


def show_feedback(model: ModelInfo, event: Mapping[str, Any]) -> None:
    """What was told later."""
    event_id = str(event.get("event_id"))
    st.markdown(f"**{t('health.groups.feedback')}**")
    told = data.read(lambda api: api.feedback.list(model.name, event_id), "feedback", model.name, event_id)
    if not told:
        st.caption(t("prediction.no_feedback"))
        return
    rows = [
        {
            t("prediction.signal"): signal.name,
            t("health.detail.value"): values.number(signal.value),
            t("health.detail.when"): values.moment(signal.happened_at),
        }
        for signal in told
    ]
    table(rows, alt=t("health.groups.feedback"))


def show_judgements(model: ModelInfo, event: Mapping[str, Any], siblings: Sequence[Mapping[str, Any]]) -> None:
    """Other versions, people, and the truth about the same subject."""
    from dashboard.screens.prediction_rows import answer, moment

    st.markdown(f"**{t('health.detail.judgements')}**")
    rows = [
        _judgement(str(other.get("version")), answer(model, other), moment(other.get("happened_at")), _role(other))
        for other in siblings
    ]
    subject = event.get("subject_id")
    if subject and session.may("labels:read"):
        rows += _people(model, str(subject))
    if not rows:
        st.caption(t("health.detail.nobody"))
        return
    table(rows, alt=t("health.detail.judgements"))


def _page(model: str, event_id: str, at: datetime, around: timedelta, key: str, value: str) -> EventPage:
    return data.read(
        lambda api: api.transport.get(
            "/v1/predictions",
            EventPage,
            model=model,
            start=(at - around).isoformat(),
            end=(at + around).isoformat(),
            limit=_LIMIT,
            **{key: value},
        ),
        "same",
        key,
        model,
        event_id,
    )


def _spans(model: ModelInfo, trace_id: str, at: datetime) -> list[SpanOut]:
    """The trace in a pipeline that this model is a step of; empty where there is none."""
    try:
        pipelines = data.read_slow(lambda api: api.pipelines.list(), "pipelines")
        for pipeline in pipelines:
            if any(step.model == model.name for step in pipeline.steps):
                name = pipeline.name
                found = data.read(
                    lambda api, name=name: api.pipelines.trace(name, trace_id, at - _TRACE, at + _TRACE),  # type: ignore[misc]
                    "trace_of",
                    name,
                    trace_id,
                )
                return list(found.spans)
    except ApiError as error:
        if error.status not in (403, 404):
            frame.show_error(error)
    return []


def _as_span(model: ModelInfo, row: Mapping[str, Any]) -> SpanOut:
    from dashboard.screens.prediction_rows import moment

    at = moment(row.get("happened_at"))
    assert at is not None
    return SpanOut(
        event_id=str(row["event_id"]),
        step=str(row.get("step") or model.name),
        model=model.name,
        version=str(row.get("version")),
        role=str(row.get("role")),
        parent=None,
        start_at=at,
        offset_ms=0,
        duration_ms=row.get("latency_ms"),
        status=str(row.get("status")),
        error=row.get("error"),
        prediction=row.get("prediction"),
        is_null_output=bool(row.get("is_null_output")),
        score=row.get("score"),
        subject_id=row.get("subject_id"),
        is_answer=row.get("role") != "shadow",
    )


def _span_row(span: SpanOut, event_id: str) -> dict[str, str]:
    this = f" ({t('prediction.this')})" if span.event_id == event_id else ""
    return {
        t("prediction.step"): span.step + this,
        t("common.model"): span.model,
        t("common.version"): span.version,
        t("health.detail.when"): values.exact(span.start_at).rsplit(" ", 1)[0],
        t("health.column.latency_ms"): values.milliseconds(span.duration_ms),
        t("health.detail.answer"): (span.prediction or t("common.no_answer"))[:120],
        t("health.column.status"): t_or(f"health.status.{span.status}", span.status),
    }


def _role(event: Mapping[str, Any]) -> str:
    return t_or(f"common.role.{event.get('role')}", str(event.get("role")))


def _people(model: ModelInfo, subject: str) -> list[dict[str, str]]:
    """What people decided, replaced decisions too, and the truth with its history."""
    names = {judge.judge: judge.title for judge in _judges(model.name)}
    decisions = data.read(
        lambda api: api.decisions.list(model.name, subject_id=subject, limit=50), "decisions", model.name, subject
    )
    rows = []
    for item in decisions:
        how = t_or(f"health.seen.{item.seen}", item.seen)
        replaced = "" if item.superseded_by is None else f" ({t('prediction.replaced')})"
        who = names.get(item.judge, t("health.detail.decision"))
        rows.append(_judgement(who, _said(model, item), item.decided_at, how + replaced))
    truths = data.read(
        lambda api: api.ground_truth.list(model.name, subject_id=subject, limit=5), "truth", model.name, subject
    )
    rows += [
        _judgement(t("health.detail.truth"), model.label_shown(item.label), item.resolved_at, item.method)
        for item in truths
        if item.is_current
    ]
    return rows


def _said(model: ModelInfo, item: DecisionOut) -> str:
    """A label, "unsure", or that it was skipped and why."""
    if item.verb == "label":
        return model.label_shown(item.label)
    reason = f"labelled.skipped.reason.{item.skip_reason or 'none'}"
    return t("prediction.skipped", reason=t(reason)) if item.verb == "skip" else t("prediction.unsure")


def _judges(model: str) -> list[Any]:
    return list(data.read_slow(lambda api: api.comparisons.judges(model), "judges", model))


def _judgement(who: str, said: str, at: Any, how: str) -> dict[str, str]:
    return {
        t("health.detail.judge"): who,
        t("health.detail.answer"): said,
        t("health.detail.when"): values.moment(at),
        t("health.detail.how"): how,
    }

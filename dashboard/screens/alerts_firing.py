"""What fires now, worst first, each with what can be done about it; and one incident by its address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from backend.alerts.schemas import IncidentOut, SilenceOut
from dashboard.kit import data, frame, session, values
from dashboard.kit.alert_words import fires_when, measure_name, plain, rule_name, series_name
from dashboard.kit.text import t

_BADGES: Final = {"alert": ("red", ":material/error:"), "warning": ("orange", ":material/warning:")}
_DURATIONS: Final = {"1h": 1, "4h": 4, "24h": 24, "7d": 168}
_VERDICTS: Final = ("true", "false", "benign")


def show() -> None:
    asked = st.query_params.get("incident")
    page = data.read(lambda api: api.alerts.incidents(is_open=True, limit=200), "incidents_open")
    if asked and asked not in {item.id for item in page.items}:
        with frame.errors():
            one(data.read(lambda api: api.alerts.incident(asked), "incident", asked))
    if not page.items:
        frame.empty_state("alerts.nothing_fires")
    else:
        _headline(page.items)
    for item in page.items:
        one(item, is_marked=item.id == asked)
    _silences(data.read(lambda api: api.alerts.silences(), "silences"))


def _headline(items: list[IncidentOut]) -> None:
    said = []
    for state in ("alert", "warning"):
        n = sum(item.state == state for item in items)
        if n:
            said.append(t(f"alerts.firing_now.summary_{state}", n=n))
    st.markdown(" · ".join(said))


def one(item: IncidentOut, *, is_marked: bool = False) -> None:
    """One incident as a card."""
    with st.container(border=True, key=f"soi_incident_{item.id}"):
        _head(item, is_marked)
        if item.kind == "failure":
            st.text(t("alerts.firing_now.failure", reason=item.reason or ""))
        else:
            _numbers(item)
        _actions(item)


def _head(item: IncidentOut, is_marked: bool) -> None:
    colour, icon = _BADGES[item.state]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        label = "failing" if item.kind == "failure" else item.state
        st.badge(t(f"alerts.state.{label}"), color=colour if item.closed_at is None else "gray", icon=icon)
        name = rule_name(item.rule_name, item.title_key)
        st.markdown(f"**{plain(item.model)} · {plain(name)}**" + (" ◂" if is_marked else ""))
        facts = [t(f"alerts.severity.{item.severity}")]
        if item.closed_at is None:
            facts.append(t("alerts.firing_now.since", ago=values.ago(item.opened_at)))
        else:
            facts.append(t("alerts.firing_now.over", span=values.span(item.opened_at, item.closed_at)))
        if series_name(item.series, item.series_of):
            facts.append(series_name(item.series, item.series_of))
        if item.acknowledged_by:
            facts.append(t("alerts.firing_now.acknowledged", who=_who(item.acknowledged_by)))
        if item.is_silenced:
            facts.append(t("alerts.firing_now.silenced"))
        if item.verdict:
            facts.append(t(f"alerts.verdict_short.{item.verdict}"))
        st.caption(" · ".join(plain(fact) for fact in facts))


def _who(actor: str) -> str:
    return session.person().name if actor == f"user:{session.person().id}" else actor.partition(":")[2][:8]


def _numbers(item: IncidentOut) -> None:
    parts = [
        f"{measure_name(item.measure)}: {fires_when(item.condition, item.unit)}",
        t("alerts.firing_now.worst", value=values.by_unit(item.peak, item.unit), n=int(item.n)),
    ]
    if item.reference is not None and item.condition.get("kind") == "change":
        parts.append(t("alerts.firing_now.reference", reference=values.by_unit(item.reference, item.unit)))
    parts.append(values.span(item.window_start, item.window_end))
    st.text(" · ".join(parts))


def _actions(item: IncidentOut) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if item.kind == "rule":
            link = urlsplit(item.link)
            label = t("alerts.firing_now.rows")
            frame.link(link.path.strip("/"), label, icon=":material/table_rows:", **dict(parse_qsl(link.query)))
        if item.batch is not None:
            label = t("alerts.firing_now.tasks", n=item.batch.n_tasks)
            frame.link("inspect", label, icon=":material/center_focus_strong:", model=item.model)
        if session.may("alerts:write"):
            _acknowledge(item)
            _silence(item)
            if item.kind == "rule":
                _verdict(item)
        if item.kind == "rule" and item.batch is None and session.may("alerts:write") and session.may("review:manage"):
            _batch(item)


def _acknowledge(item: IncidentOut) -> None:
    if item.acknowledged_at is not None or item.closed_at is not None:
        return
    label, help_text = t("alerts.firing_now.acknowledge"), t("alerts.firing_now.acknowledge_help")
    if st.button(label, key=f"ack_{item.id}", icon=":material/person_check:", help=help_text):
        with frame.errors():
            session.client().alerts.acknowledge(item.id)
            _done()


def _silence(item: IncidentOut) -> None:
    if item.closed_at is not None or item.is_silenced:
        return
    with st.popover(t("alerts.firing_now.silence"), icon=":material/notifications_off:"):
        what = st.radio(
            t("alerts.firing_now.silence_what"),
            ("silence_rule", "silence_model"),
            format_func=lambda name: t(f"alerts.firing_now.{name}"),
            key=f"silence_what_{item.id}",
        )
        length = st.selectbox(
            t("alerts.firing_now.silence_for"),
            list(_DURATIONS),
            format_func=lambda name: t(f"alerts.duration.{name}"),
            key=f"silence_for_{item.id}",
        )
        reason = st.text_input(t("alerts.firing_now.reason"), key=f"silence_why_{item.id}", max_chars=500)
        if st.button(t("alerts.firing_now.silence"), key=f"silence_{item.id}", disabled=not reason.strip()):
            with frame.errors():
                until = datetime.now(UTC) + timedelta(hours=_DURATIONS[length or "1h"])
                rule_id = item.rule_id if what == "silence_rule" else None
                session.client().alerts.silence(rule_id=rule_id, model=item.model, ends_at=until, reason=reason)
                _done(t("alerts.firing_now.silenced_now", until=values.moment(until)))


def _verdict(item: IncidentOut) -> None:
    with st.popover(t("alerts.firing_now.verdict"), icon=":material/gavel:"):
        picked = st.radio(
            t("alerts.firing_now.verdict"),
            _VERDICTS,
            index=_VERDICTS.index(item.verdict) if item.verdict else None,
            format_func=lambda name: t(f"alerts.verdict.{name}"),
            key=f"verdict_{item.id}",
            label_visibility="collapsed",
        )
        comment = st.text_input(t("alerts.firing_now.comment"), key=f"comment_{item.id}", max_chars=2000)
        if st.button(t("common.save"), key=f"judge_{item.id}", disabled=picked is None):
            with frame.errors():
                session.client().alerts.give_verdict(item.id, str(picked), comment)
                _done(t("alerts.firing_now.verdict_given"))


def _batch(item: IncidentOut) -> None:
    with st.popover(t("alerts.firing_now.batch"), icon=":material/groups:"):
        st.caption(t("alerts.firing_now.batch_help"))
        n = st.number_input(t("alerts.firing_now.n_items"), 5, 2000, 60, step=5, key=f"batch_n_{item.id}")
        if st.button(t("alerts.firing_now.open_batch"), key=f"batch_{item.id}"):
            with frame.errors():
                made = session.client().alerts.open_batch(item.id, int(n))
                _done(t("alerts.firing_now.batch_opened", n=made.batch.n_tasks if made.batch else 0))


def _silences(found: list[SilenceOut]) -> None:
    if not found:
        return
    st.subheader(t("alerts.silences.title"), anchor=False)
    for silence in found:
        with st.container(horizontal=True, vertical_alignment="center"):
            what = silence.model or t("alerts.silences.all")
            st.text(t("alerts.silences.row", what=what, until=values.moment(silence.ends_at), reason=silence.reason))
            if session.may("alerts:write") and st.button(t("alerts.silences.end"), key=f"end_{silence.id}"):
                with frame.errors():
                    session.client().alerts.end_silence(silence.id)
                    _done()


def _done(said: Any = None) -> None:
    data.forget()
    if said:
        st.toast(said)
    st.rerun()

"""The messages that left, wait or were given up, with how often they were tried and the last error."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from backend.outbox.schemas import MessageOut
from dashboard.kit import data, frame, session, values
from dashboard.kit.tables import picked_row
from dashboard.kit.text import t, t_or

_STATES: Final = ("all", "waiting", "sent", "given_up")


def show() -> None:
    frame.require("channels:manage")
    state = frame.choice(
        "alerts.outbox.filter",
        _STATES,
        key="state",
        shown=lambda name: t(f"alerts.outbox.states.{name}"),
        where=st.columns([1, 4])[0],
    )
    wanted = None if state in (None, "all") else state
    page = data.read(lambda api: api.outbox.list(state=wanted, limit=200), "outbox", wanted)
    counts = {name: page.counts.get(name, 0) for name in _STATES[1:]}
    st.caption(t("alerts.outbox.counts", **counts))
    if not page.items:
        frame.empty_state("alerts.no_messages")
        return
    picked = picked_row([_row(one) for one in page.items], alt=t("alerts.views.outbox"), key="messages", height=430)
    if picked is None:
        st.caption(t("alerts.outbox.pick"))
        return
    _one(page.items[picked])


def _row(one: MessageOut) -> dict[str, Any]:
    what = t_or(f"alerts.outbox.kind.{one.kind}", one.kind)
    if one.event:
        what += f": {t_or(f'alerts.outbox.event.{one.event}', one.event)}"
    row = {
        "created": values.moment(one.created_at),
        "what": what,
        "channel": one.channel or "",
        "model": one.model or "",
        "state": t(f"alerts.outbox.states.{one.state}"),
        "attempts": values.number(one.n_attempts),
        "next": values.moment(one.next_at) if one.state == "waiting" else "",
        "error": one.last_error or "",
    }
    return {t(f"alerts.outbox.column.{name}"): value for name, value in row.items()}


def _one(one: MessageOut) -> None:
    with st.container(border=True), frame.errors():
        if one.last_error:
            st.text(one.last_error)
        is_over = one.state == "sent"
        if st.button(t("alerts.outbox.again"), key=f"again_{one.id}", icon=":material/replay:", disabled=is_over):
            session.client().outbox.send_again(one.id)
            data.forget()
            st.toast(t("alerts.outbox.again_done"))
            st.rerun()

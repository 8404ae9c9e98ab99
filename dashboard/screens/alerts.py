"""Alerts: what fires now with its rows, the rules with how precise people found them, what fired before, the channels,
and the messages that left or wait. Every view is in the address (`?view=`), one incident too (`?incident=`)."""

from __future__ import annotations

from typing import Final

import streamlit as st

from backend.alerts.schemas import WatchdogOut
from dashboard.kit import address, data, frame, secret, session, values
from dashboard.kit.text import t
from dashboard.screens import alerts_channels, alerts_firing, alerts_history, alerts_outbox, alerts_rules

VIEWS: Final = ("firing", "rules", "history", "channels", "outbox")
_ADMIN: Final = frozenset({"channels", "outbox"})


def show() -> None:
    frame.page("alerts.title")
    views = [view for view in VIEWS if view not in _ADMIN or session.may("channels:manage")]
    address.follow("view", views, views[0])
    view = st.segmented_control(
        t("alerts.view"),
        views,
        key="view",
        required=True,
        format_func=lambda name: t(f"alerts.views.{name}"),
        label_visibility="collapsed",
    )
    address.keep("view", view, views[0])
    secret.show()
    with frame.errors():
        _watchdog(data.read(lambda api: api.alerts.watchdog(), "watchdog"))
    if view == "rules":
        alerts_rules.show()
    elif view == "history":
        alerts_history.show()
    elif view == "channels":
        alerts_channels.show()
    elif view == "outbox":
        alerts_outbox.show()
    else:
        alerts_firing.show()


def _watchdog(found: WatchdogOut) -> None:
    """The watchdog watches itself: say loudly when nobody looks at the rules."""
    if found.state == "stopped":
        st.error(t("alerts.watchdog.stopped", ago=values.ago(found.evaluated_at)), icon=":material/error:")
    elif found.state == "never":
        st.warning(t("alerts.watchdog.never"), icon=":material/hourglass_empty:")
    elif found.n_failed:
        st.warning(t("alerts.watchdog.failed", n=found.n_failed), icon=":material/warning:")
    else:
        duration = values.milliseconds(found.duration_ms)
        st.caption(t("alerts.watchdog.fine", n=found.n_rules, ago=values.ago(found.evaluated_at), duration=duration))

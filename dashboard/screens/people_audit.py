"""The audit trail: who did what to what, newest first; every line's hash covers the line before it."""

from __future__ import annotations

import json
from typing import Final

import streamlit as st

from backend.audit.schemas import AuditLine
from dashboard.kit import data, frame, session, values
from dashboard.kit.tables import table
from dashboard.kit.text import t, t_or

_PAGE: Final = 100
_ANY: Final = "-"
#: What the trail can be narrowed to; other actions are still listed under their own names.
ACTIONS: Final = (
    "login.accepted",
    "login.refused",
    "logout",
    "user.created",
    "user.changed",
    "user.password_changed",
    "user.password_reset",
    "key.created",
    "key.revoked",
    "model.created",
    "model.changed",
    "model.loaded",
    "model.unloaded",
    "version.created",
    "version.changed",
    "rollout.created",
    "automation.moved",
    "automation.policy_put",
    "automation.policy_removed",
    "automation.blocked",
    "automation.unblocked",
    "recall.opened",
    "dataset.created",
    "labels.exported",
    "skips.exported",
    "ground_truth.corrected",
    "retraining.requested",
)


def show() -> None:
    """The lines, a page at a time, of one action if wanted; and the check of the chain."""
    cells = st.columns([1.4, 1, 2], vertical_alignment="bottom")
    picked = frame.choice("audit.action", [_ANY, *ACTIONS], key="action", shown=_action, where=cells[0])
    action = None if picked == _ANY else picked
    if cells[1].button(t("audit.verify"), icon=":material/verified:"):
        with frame.errors():
            _verify()
    before = st.query_params.get("before", "")
    before_id = int(before) if before.isdecimal() else None
    found = data.read(
        lambda api: api.audit.list(action=action, before_id=before_id, limit=_PAGE),
        "audit",
        action,
        before_id,
    )
    if not found:
        st.caption(t("audit.nothing"))
        return
    table([_row(line) for line in found], alt=t("people.views.audit"), height=520)
    with st.container(horizontal=True):
        if before_id is not None and st.button(t("health.rows.first"), icon=":material/first_page:"):
            st.query_params.pop("before", None)
            st.rerun()
        if len(found) == _PAGE and st.button(t("health.rows.more"), icon=":material/chevron_right:"):
            st.query_params["before"] = str(found[-1].id)
            st.rerun()


def _action(name: str) -> str:
    return t("common.all") if name == _ANY else t_or(f"audit.actions.{name.replace('.', '_')}", name)


def _verify() -> None:
    check = session.client().audit.verify()
    if check.is_intact:
        st.success(t("audit.intact", n=check.n_lines))
    else:
        st.error(t("audit.broken", line=str(check.first_bad_id)))


def _row(line: AuditLine) -> dict[str, str]:
    details = json.dumps(line.details, ensure_ascii=False) if line.details else ""
    row = {
        "at": values.exact(line.at).rsplit(" ", 1)[0],
        "actor": line.actor_name or line.actor,
        "action": _action(line.action),
        "target": line.target,
        "details": " ".join(part for part in (line.reason or "", details) if part),
    }
    return {t(f"audit.column.{name}"): value for name, value in row.items()}

"""The lower parts of the review policy: its history, how people do on known items, and the known items themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from backend.reassignments.schemas import ReassignmentOut
from backend.review_policies.schemas import PolicyOut
from dashboard.kit import data, frame, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.tables import picked_row, table
from dashboard.kit.text import t, t_or

_SHARES = frozenset(
    {"epsilon", "second_opinion_share", "gold_share", "repeat_share", "injected_share", "min_agreement"}
)


def history(found: Sequence[PolicyOut]) -> None:
    """Every version: when, who, why, and what it changed."""
    if found[0].number == 0:
        frame.empty_state("policy.no_history")
        return
    rows = [
        {
            "number": str(one.number),
            "since": values.moment(one.created_at),
            "author": one.author or one.created_by or values.NOTHING,
            "reason": one.reason or "",
            "changes": changes(one.policy, found[place + 1].policy if place + 1 < len(found) else None),
        }
        for place, one in enumerate(found)
    ]
    named = [{t(f"policy.history.{name}"): cell for name, cell in row.items()} for row in rows]
    table(named, alt=t("policy.history.title"), height=320)


def changes(new: Mapping[str, Any], old: Mapping[str, Any] | None) -> str:
    """What differs from the version before, in words."""
    if old is None:
        return t("policy.history.first")
    parts = []
    for name, value in new.items():
        before = old.get(name)
        if value == before:
            continue
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = [key for key in {*value, *before} if value.get(key) != before.get(key)]
            parts += [
                f"{t(f'policy.stratum.{key}')}: {_written(name, before.get(key))} → {_written(name, value.get(key))}"
                for key in sorted(inner)
            ]
        else:
            parts.append(f"{t_or(f'policy.field.{name}', name)}: {_written(name, before)} → {_written(name, value)}")
    return "; ".join(parts)


def _written(name: str, value: Any) -> str:
    if value is None:
        return values.NOTHING
    if name in _SHARES or name == "rates":
        return values.percent(float(value), 2)
    if name == "budgets":
        return t("policy.history.a_day", n=values.number(float(value)))
    if isinstance(value, bool):
        return t("common.yes_word") if value else t("common.no_word")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def people(model: ModelInfo) -> None:
    """Agreement on known items, and items that went to others."""
    checks = data.read(lambda api: api.planted_items.checks(model.name), "policy_checks", model.name)
    if checks:
        rows = [
            {
                "person": one.name or one.judge,
                "checks": values.number(one.n_checks),
                "agreed": values.number(one.n_agreed),
                "agreement": values.percent(one.agreement, 0),
            }
            for one in checks
        ]
        named = [{t(f"policy.checks.{name}"): cell for name, cell in row.items()} for row in rows]
        table(named, alt=t("policy.checks.title"))
    else:
        frame.empty_state("policy.no_checks")
    found = data.read(lambda api: api.reassignments.list(model.name), "policy_reassigned", model.name)
    for one in found:
        _reassignment(one)


def _reassignment(one: ReassignmentOut) -> None:
    with st.container(border=True), frame.errors():
        said, button = st.columns([4, 1], vertical_alignment="center")
        said.markdown(
            t(
                "policy.reassigned.said",
                person=one.name or one.judge,
                agreed=one.n_agreed,
                checks=one.n_checks,
                limit=values.percent(one.min_agreement, 0),
                n=one.n_items,
            )
        )
        if one.reversed_at is not None:
            said.caption(t("policy.reassigned.reversed", at=values.moment(one.reversed_at)))
            return
        said.caption(t("policy.reassigned.waiting", at=values.moment(one.created_at), n=one.n_waiting))
        if button.button(t("policy.reassigned.reverse"), key=f"reverse_{one.id}", width="stretch"):
            session.client().reassignments.reverse(one.id)
            data.forget()
            st.rerun()


def known_items(model: ModelInfo) -> None:
    """Items whose label is known: what there is, adding some, withdrawing one."""
    found = data.read(lambda api: api.planted_items.list(model.name, limit=1000), "policy_known", model.name)
    active = [one for one in found if one.is_active]
    _add(model)
    if not active:
        frame.empty_state("policy.no_known")
        return
    rows = [
        {
            "subject": one.subject_id,
            "kind": t(f"policy.stratum.{one.kind}"),
            "label": model.label_shown(one.label),
            "added": values.moment(one.created_at),
        }
        for one in active
    ]
    named = [{t(f"policy.known.{name}"): cell for name, cell in row.items()} for row in rows]
    picked = picked_row(named, alt=t("policy.known.title"), key="policy_known_items", height=280)
    if picked is not None and st.button(t("policy.known.withdraw"), key="policy_withdraw"):
        with frame.errors():
            session.client().planted_items.withdraw(active[picked].id)
            data.forget()
            st.rerun()


def _add(model: ModelInfo) -> None:
    with st.expander(t("policy.known.add"), icon=":material/add:"), frame.errors():
        st.caption(t("policy.known.add_body"))
        kind, label = st.columns(2)
        chosen = kind.segmented_control(
            t("policy.known.kind"),
            ["gold", "injected"],
            default="gold",
            required=True,
            format_func=lambda one: t(f"policy.stratum.{one}"),
            key="known_kind",
        )
        labels = [None, *[one.name for one in model.labels if chosen == "gold" or one.is_defect]]
        picked = label.selectbox(
            t("policy.known.label"),
            labels,
            format_func=lambda one: t("policy.known.resolved") if one is None else model.label_shown(one),
            key="known_label",
        )
        written = st.text_area(t("policy.known.subjects"), key="known_subjects", height=90)
        names = [one.strip() for one in (written or "").splitlines() if one.strip()][:1000]
        if st.button(t("policy.known.save"), key="known_save", disabled=not names):
            items = [{"subject_id": name, "kind": chosen, "label": picked} for name in names]
            stored = session.client().planted_items.store(model.name, items)
            data.forget()
            st.toast(t("policy.known.stored", n=stored.n_stored))
            for one in stored.refused[:10]:
                why = t_or(f"policy.refused.{one.code}", one.message)
                st.error(t("policy.known.refused", subject=names[one.index], why=why))

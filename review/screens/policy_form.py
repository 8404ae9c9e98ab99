"""The form of a review policy: strata with a rate or a daily budget, overlap, planted items, people, channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from dashboard.kit import data, session
from dashboard.kit.text import t

STRATA: Final = ("null_output", "disagreement", "low_confidence", "drifted_bin", "alert")
_HOW: Final = ("off", "rate", "budget")
_PLANTED: Final = ("gold_share", "injected_share", "repeat_share")


def show(now: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The fields as they stand in the form, which begins with the policy `now`."""
    fields = dict(now) | {"rates": dict(now["rates"]), "budgets": dict(now["budgets"])}
    with st.container(border=True):
        fields["is_enabled"] = st.toggle(t("policy.field.is_enabled"), value=now["is_enabled"], key=f"on_{key}")
        _strata(fields, key)
    with st.container(border=True):
        _opinions(fields, key)
    with st.container(border=True):
        _people(fields, key)
    return fields


def _strata(fields: dict[str, Any], key: str) -> None:
    st.markdown(f"**{t('policy.strata.title')}**")
    st.caption(t("policy.strata.body"))
    epsilon, low = st.columns(2)
    fields["epsilon"] = _share(
        epsilon, "epsilon", fields["epsilon"], key, least=0.01, help=t("policy.help.epsilon"), step=0.5
    )
    fields["low_score"] = low.number_input(
        t("policy.field.low_score"), value=float(fields["low_score"]), step=0.05, format="%.3f", key=f"low_{key}"
    )
    for name in STRATA:
        _stratum(fields, name, key)
    flagged = st.columns([2.2, 1.8, 1.4], vertical_alignment="center")
    flagged[0].markdown(t("policy.stratum.flagged"))
    fields["rates"]["flagged"] = _share(
        flagged[2], "rate", fields["rates"].get("flagged", 0.0), f"flagged_{key}", is_bare=True
    )


def _stratum(fields: dict[str, Any], name: str, key: str) -> None:
    """One row: what it is, off, a rate or a budget, and the number."""
    what, how, number = st.columns([2.2, 1.8, 1.4], vertical_alignment="center")
    what.markdown(t(f"policy.stratum.{name}"), help=t(f"policy.stratum_help.{name}"))
    rate, budget = fields["rates"].pop(name, 0.0), fields["budgets"].pop(name, None)
    before = "budget" if budget is not None else "rate" if rate > 0 else "off"
    chosen = how.segmented_control(
        t(f"policy.stratum.{name}"),
        list(_HOW),
        default=before,
        required=True,
        format_func=lambda one: t(f"policy.how.{one}"),
        key=f"how_{name}_{key}",
        label_visibility="collapsed",
    )
    if chosen == "rate":
        fields["rates"][name] = _share(number, "rate", rate or 1.0, f"{name}_{key}", is_bare=True)
    elif chosen == "budget":
        fields["budgets"][name] = float(
            number.number_input(
                t("policy.field.budget"),
                1.0,
                1_000_000.0,
                float(budget or 50),
                10.0,
                format="%.0f",
                key=f"budget_{name}_{key}",
                label_visibility="collapsed",
                help=t("policy.help.budget"),
            )
        )
    else:
        fields["rates"][name] = 0.0


def _opinions(fields: dict[str, Any], key: str) -> None:
    st.markdown(f"**{t('policy.opinions.title')}**")
    mode, wanted, second, age = st.columns(4)
    fields["mode"] = mode.selectbox(
        t("policy.field.mode"),
        ["blind", "assist", "reveal"],
        index=["blind", "assist", "reveal"].index(fields["mode"]),
        format_func=lambda one: t(f"policy.mode.{one}"),
        key=f"mode_{key}",
    )
    fields["n_wanted"] = int(
        wanted.number_input(t("policy.field.n_wanted"), 1, 10, int(fields["n_wanted"]), key=f"wanted_{key}")
    )
    fields["second_opinion_share"] = _share(second, "second_opinion_share", fields["second_opinion_share"], key)
    fields["max_age_days"] = float(
        age.number_input(
            t("policy.field.max_age_days"), 1.0, 3650.0, float(fields["max_age_days"]), format="%g", key=f"age_{key}"
        )
    )


def _people(fields: dict[str, Any], key: str) -> None:
    st.markdown(f"**{t('policy.people.title')}**")
    st.caption(t("policy.people.body"))
    for place, name in zip(st.columns(3), _PLANTED, strict=True):
        fields[name] = _share(place, name, fields[name], key, most=50.0)
    limit, days, checks, after = st.columns(4, vertical_alignment="bottom")
    least = _share(limit, "min_agreement", fields["min_agreement"] or 0.0, key, help=t("policy.help.min_agreement"))
    fields["min_agreement"] = least or None
    fields["agreement_days"] = float(
        days.number_input(
            t("policy.field.agreement_days"),
            1.0,
            365.0,
            float(fields["agreement_days"]),
            format="%g",
            key=f"days_{key}",
        )
    )
    fields["min_checks"] = int(
        checks.number_input(t("policy.field.min_checks"), 1, 10_000, int(fields["min_checks"]), key=f"checks_{key}")
    )
    fields["repeat_after_hours"] = float(
        after.number_input(
            t("policy.field.repeat_after_hours"),
            0.0,
            720.0,
            float(fields["repeat_after_hours"]),
            format="%g",
            key=f"after_{key}",
        )
    )
    if session.may("channels:manage"):
        known = {one.id: one.name for one in data.read(lambda api: api.channels.list(), "channels")}
        fields["resolution_channels"] = st.multiselect(
            t("policy.field.resolution_channels"),
            list(known),
            default=[one for one in fields["resolution_channels"] if one in known],
            format_func=lambda one: known[one],
            help=t("policy.help.resolution_channels"),
            placeholder=t("policy.no_channel"),
            key=f"channels_{key}",
        )


def _share(
    where: Any,
    name: str,
    value: float,
    key: str,
    *,
    least: float = 0.0,
    most: float = 100.0,
    step: float = 5.0,
    help: str | None = None,
    is_bare: bool = False,
) -> float:
    """A share typed in percent. Ten digits, so that what was not touched stays what it was."""
    typed = where.number_input(
        t(f"policy.field.{name}"),
        least,
        most,
        min(most, max(least, round(value * 100, 8))),
        step,
        format="%.6g",
        help=help,
        key=f"{name}_{key}",
        label_visibility="collapsed" if is_bare else "visible",
    )
    return round(float(typed) / 100, 10)

"""What a review policy would send to people, beside the one in force: numbers, charts, and what people can do."""

from __future__ import annotations

import streamlit as st

from backend.review_policies.schemas import Preview
from dashboard.kit import charts, frame, values
from dashboard.kit.text import t


def show(found: Preview) -> None:
    """The preview; says when it stands on a sample."""
    if not found.n_events:
        frame.empty_state("policy.preview.empty")
        return
    days = (found.end - found.start).days
    said = {"n": values.number(found.n_events), "subjects": values.number(found.n_subjects), "days": days}
    if found.sample_every > 1:
        st.caption(t("policy.preview.sampled", every=found.sample_every, **said))
    else:
        st.caption(t("policy.preview.exact", **said))
    _numbers(found)
    _people(found)
    _known(found)
    _charts(found)


def _numbers(found: Preview) -> None:
    proposed, current = found.proposed, found.current
    cells = st.columns(4)
    for place, name in zip(cells, ("items_per_day", "answers_per_day"), strict=False):
        new, old = getattr(proposed, name), getattr(current, name)
        place.metric(t(f"policy.preview.{name}"), _count(new), _change(new - old), delta_color="off")
    planted = sum(proposed.planted_per_day.values())
    cells[2].metric(t("policy.preview.planted"), _count(planted), help=t("policy.preview.planted_help"))
    cells[3].metric(
        t("policy.preview.least_pi"),
        values.percent(proposed.least_pi, 3),
        help=t("policy.preview.least_pi_help"),
    )


def _count(value: float) -> str:
    return values.number(value, 0 if value >= 10 else 1)


def _change(difference: float) -> str | None:
    return t("policy.preview.than_now", change=values.signed(difference, 1)) if abs(difference) >= 0.05 else None


def _people(found: Preview) -> None:
    """What people did in the last week, beside what the policy asks of them."""
    people, asked = found.people, found.proposed.answers_per_day
    if people.median_s is None:
        st.info(t("policy.preview.no_people", asked=_count(asked)), icon=":material/group:")
        return
    said = t(
        "policy.preview.speed",
        people=people.n_people,
        done=_count(people.answers_per_day),
        busiest=people.busiest_day,
        seconds=values.number(people.median_s, 1),
        hours=values.number(asked * people.median_s / 3600, 1),
    )
    if asked > people.busiest_day:
        st.warning(f"{t('policy.preview.too_much', asked=_count(asked))} {said}", icon=":material/warning:")
    elif asked > people.answers_per_day * 1.1:
        st.warning(f"{t('policy.preview.more', asked=_count(asked))} {said}", icon=":material/trending_up:")
    else:
        st.success(f"{t('policy.preview.fits', asked=_count(asked))} {said}", icon=":material/check:")


def _known(found: Preview) -> None:
    """Planted items that the policy asks for and of which there are none."""
    for kind in ("gold", "injected"):
        if found.proposed.planted_per_day.get(kind) and not found.n_known_items.get(kind):
            st.warning(t(f"policy.preview.none_known.{kind}"), icon=":material/inventory_2:")


def _charts(found: Preview) -> None:
    left, right = st.columns(2)
    reasons = sorted({*found.proposed.by_reason, *found.current.by_reason})
    with left:
        st.markdown(f"**{t('policy.preview.by_reason')}**")
        if found.proposed.by_reason:
            ordered = sorted(reasons, key=lambda one: -found.proposed.by_reason.get(one, 0.0))
            st.plotly_chart(
                charts.bars(
                    [t(f"policy.stratum.{one}") for one in ordered],
                    [found.proposed.by_reason.get(one, 0.0) for one in ordered],
                    colours=frame.colours(),
                ),
                key="policy_by_reason",
                width="stretch",
            )
        else:
            st.caption(t("policy.preview.nothing"))
    with right:
        st.markdown(f"**{t('policy.preview.by_day')}**")
        if found.proposed.by_day:
            st.plotly_chart(
                charts.bars(
                    [one.day.strftime("%d/%m") for one in found.proposed.by_day],
                    [one.n for one in found.proposed.by_day],
                    colours=frame.colours(),
                ),
                key="policy_by_day",
                width="stretch",
            )
        else:
            st.caption(t("policy.preview.nothing"))

"""Inspectors: how good and how alike a model's people are. The team with its verdicts, one's own page, the labels that
are mixed up with pictures side by side, and the consensus of everybody in two ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from backend.judges.schemas import AttributeAgreement, JudgeFigures, Standard
from dashboard.kit import address, data, frame, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.frame import Window
from dashboard.kit.tables import table
from dashboard.kit.text import t, t_or
from review.screens import inspectors_items, inspectors_own
from review.screens.judge_words import (
    CRITERIA,
    alpha_in_words,
    is_sure,
    limits_line,
    share_shown,
    tell_counted,
    times_shown,
    verdict_shown,
    with_sign,
)

_STANDARDS: Final[tuple[Standard, ...]] = ("independent", "settled")


@dataclass(frozen=True, slots=True)
class Question:
    """Whose people, when, and what they are held against; all of it is in the URL."""

    model: ModelInfo
    window: Window
    standard: Standard

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.model.name, *self.window.key, self.standard)


def show() -> None:
    """The screen."""
    frame.page("inspectors.title", "inspectors.how")
    question, view = _pick()
    with frame.errors():
        if view == "own":
            inspectors_own.show(question)
        elif view == "pairs":
            inspectors_items.show_pairs(question)
        elif view == "consensus":
            inspectors_items.show_consensus(question)
        else:
            _team(question)
    frame.window_caption(question.window)


def _pick() -> tuple[Question, str]:
    top = st.columns([1.2, 1, 1.6], vertical_alignment="bottom")
    model = frame.model_picker(top[0])
    window = frame.time_range(top[1], default="30d")
    picked = frame.choice(
        "inspectors.standard",
        list(_STANDARDS),
        key="standard",
        shown=lambda name: t(f"inspectors.standards.{name}"),
        where=top[2],
        help_key="inspectors.standard_help",
    )
    standard = next(name for name in _STANDARDS if name == (picked or _STANDARDS[0]))
    own = ["own"] if session.may("review:work") else []
    views = ["team", *own, "pairs", *(["consensus"] if session.may("labels:read") else [])]
    address.follow("view", views, views[0])
    view = st.segmented_control(
        t("inspectors.view"),
        views,
        key="view",
        required=True,
        format_func=lambda name: t(f"inspectors.views.{name}"),
        label_visibility="collapsed",
    )
    address.keep("view", view, views[0])
    return Question(model, window, standard), view or views[0]


# --- the team ------------------------------------------------------------------------------------------------------


def _team(question: Question) -> None:
    found: AttributeAgreement = data.read(
        lambda api: api.judges.agreement(
            question.model.name, question.window.start, question.window.end, standard=question.standard
        ),
        "attribute_agreement",
        *question.key,
    )
    if not found.counted.n_answers:
        frame.empty_state("inspectors.empty", action=("inspectors.empty.action", "inspect"), model=question.model.shown)
        tell_counted(found.counted)
        return
    _headline(found)
    st.subheader(t("inspectors.verdicts"), anchor=False, help=t("inspectors.verdicts_help"))
    rows = verdict_rows(found)
    if not found.n_with_standard:
        frame.empty_state(f"inspectors.no_standard_{question.standard}")
    elif rows:
        table(rows, alt=t("inspectors.verdicts"))
    if rows:
        table(work_rows(found), alt=t("inspectors.work"))
        st.caption(t(f"inspectors.visibility.{found.visibility}"))
    if found.team_reason is not None:
        st.caption(t_or(f"inspectors.team_reason.{found.team_reason}", found.team_reason))
    st.caption(limits_line(found.limits))
    if question.standard == "settled":
        st.caption(t("inspectors.settled_note"))
    _between(found)
    _capture(found)
    tell_counted(found.counted)


def _headline(found: AttributeAgreement) -> None:
    """Three answers: are they right, do they agree with one another, do they agree with themselves."""
    cells = st.columns(3)
    with cells[0].container(border=True, height="stretch"):
        verdict = found.team.verdict if found.team else None
        sure = found.team is not None and is_sure(found.team)
        shown = verdict_shown(verdict, is_sure=sure)
        st.metric(t("inspectors.team_verdict"), shown, help=t("inspectors.team_verdict_help"))
        st.caption(_why(found))
    with cells[1].container(border=True, height="stretch"):
        everyday = next((one for one in found.between if one.items == "everyday"), None)
        alpha = everyday.alpha if everyday else None
        st.metric(
            t("inspectors.alpha_name"),
            values.number(alpha.value if alpha else None, 2),
            help=t("inspectors.alpha_help"),
        )
        st.caption(alpha_in_words(everyday))
    with cells[2].container(border=True, height="stretch"):
        consistency = found.team.consistency if found.team else None
        shown = values.percent(consistency.value if consistency else None)
        st.metric(t("inspectors.consistency"), shown, help=t("inspectors.consistency_help"))
        known = consistency is not None and consistency.n > 0
        st.caption(t("inspectors.repeats", n=consistency.n) if known and consistency else t("inspectors.no_repeats"))


def _why(found: AttributeAgreement) -> str:
    """The figures that make the verdict, and whether it is firm."""
    team = found.team
    if team is None:
        return t_or(f"inspectors.team_reason.{found.team_reason}", str(found.team_reason))
    if team.verdict is None:
        return t("inspectors.nothing_to_hold_against")
    worst = [(name, getattr(team, name)) for name in CRITERIA if getattr(team, name).verdict == team.verdict]
    named = "; ".join(f"{t(f'inspectors.criteria.{name}')} {share_shown(one)}" for name, one in worst)
    sure = t("inspectors.sure") if is_sure(team) else t("inspectors.unsure")
    return f"{t('inspectors.because', figures=named)} {sure}"


def _named(found: AttributeAgreement) -> list[tuple[str, JudgeFigures]]:
    """The team first, then single people as far as the reader may see them."""
    team: list[tuple[str, JudgeFigures]] = [(t("inspectors.team"), found.team)] if found.team else []
    return team + [(t("inspectors.me", name=row.name) if row.is_me else row.name, row) for row in found.judges]


def verdict_rows(found: AttributeAgreement) -> list[dict[str, str]]:
    """Everybody against the standard."""
    return [
        {
            t("inspectors.who"): name,
            t("inspectors.verdict_column"): verdict_shown(figures.verdict, is_sure=is_sure(figures)),
            **{t(f"inspectors.criteria.{criterion}"): with_sign(getattr(figures, criterion)) for criterion in CRITERIA},
        }
        for name, figures in _named(found)
    ]


def work_rows(found: AttributeAgreement) -> list[dict[str, str]]:
    """Everybody against themselves, how fast, and how sharp."""
    return [
        {
            t("inspectors.who"): name,
            t("inspectors.consistency"): share_shown(figures.consistency),
            t("inspectors.median"): values.milliseconds(figures.speed.median_ms),
            t("inspectors.spread"): times_shown(figures.speed),
            t("inspectors.kappa"): values.number(figures.kappa.value, 2),
            t("inspectors.d_prime"): values.number(figures.detection.d_prime if figures.detection else None, 2),
            t("inspectors.n_answers"): values.number(figures.n_answers),
        }
        for name, figures in _named(found)
    ]


def _between(found: AttributeAgreement) -> None:
    st.subheader(t("inspectors.between"), anchor=False, help=t("inspectors.between_help"))
    rows = [
        {
            t("inspectors.items"): t(f"inspectors.items_of.{one.items}"),
            t("inspectors.all_agree"): share_shown(one.agreement),
            t("inspectors.all_right"): share_shown(one.right),
            t("inspectors.alpha_name"): values.number(one.alpha.value, 3),
            t("inspectors.interval"): f"{values.number(one.alpha.lower, 2)} – {values.number(one.alpha.upper, 2)}",
            t("inspectors.people"): values.number(one.n_judges),
        }
        for one in found.between
    ]
    if rows:
        table(rows, alt=t("inspectors.between"))
    if not any(one.n_subjects for one in found.between):
        st.caption(t("inspectors.nothing_shared"))


def _capture(found: AttributeAgreement) -> None:
    one = found.capture
    if one is None:
        return
    counts = {"shared": one.n_shared, "first": one.n_first, "second": one.n_second, "both": one.n_both}
    told = t("inspectors.capture", **counts, missed=values.number(one.n_missed, 1))
    n_found = one.n_first + one.n_second - one.n_both
    if one.lower is None or one.upper is None:
        told += " " + t("inspectors.capture_no_interval")
    else:
        low, high = (values.number(max(0.0, bound - n_found), 1) for bound in (one.lower, one.upper))
        told += " " + t("inspectors.capture_interval", low=low, high=high)
    st.markdown(f"{told} {t('inspectors.capture_note')}")

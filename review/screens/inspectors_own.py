"""One person's page on the Inspectors screen: one's own, or for administrators anybody's (`?judge=`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import streamlit as st

from backend.judges.schemas import InspectorPage
from dashboard.kit import charts, data, frame, session, values
from dashboard.kit.tables import table
from dashboard.kit.text import t
from review.screens.judge_words import (
    CRITERIA,
    is_sure,
    limits_line,
    share_shown,
    tell_counted,
    verdict_shown,
    with_sign,
)

if TYPE_CHECKING:
    from review.screens.inspectors import Question

_ME: Final = "me"


def show(question: Question) -> None:
    """Own verdict, own confusion matrix, own speed and consistency, and what seeing the model's answer did."""
    judge = _pick(question)
    found: InspectorPage = data.read(
        lambda api: api.judges.inspector(
            question.model.name,
            question.window.start,
            question.window.end,
            judge=judge,
            standard=question.standard,
        ),
        "inspector",
        judge,
        *question.key,
    )
    st.caption(t("inspectors.own.eyes"))
    if not found.counted.n_answers:
        frame.empty_state("inspectors.own.empty", action=("inspectors.empty.action", "inspect"))
        tell_counted(found.counted)
        return
    _numbers(found)
    left, right = st.columns([1, 1.1])
    with left:
        _matrix(question, found)
    with right:
        _against(found)
        _assistance(found)
    tell_counted(found.counted)


def _pick(question: Question) -> str | None:
    """Administrators may open anybody's page."""
    if not session.may("people:manage"):
        return None
    people = data.read(
        lambda api: api.judges.agreement(
            question.model.name, question.window.start, question.window.end, standard=question.standard
        ),
        "attribute_agreement",
        *question.key,
    ).judges
    names = {row.judge: row.name for row in people if row.judge is not None and not row.is_me}
    picked = frame.choice(
        "inspectors.own.who",
        [_ME, *names],
        key="judge",
        shown=lambda judge: t("inspectors.own.me") if judge == _ME else names[judge],
    )
    return None if picked in (None, _ME) else picked


def _numbers(found: InspectorPage) -> None:
    figures, speed = found.figures, found.figures.speed
    cells = st.columns(4)
    cells[0].metric(t("inspectors.verdict_column"), verdict_shown(figures.verdict, is_sure=is_sure(figures)))
    cells[0].caption(t("inspectors.counted.answers", n=figures.n_answers))
    cells[1].metric(t("inspectors.own.median"), values.milliseconds(speed.median_ms))
    between = (values.milliseconds(speed.p10_ms), values.milliseconds(speed.p90_ms))
    cells[1].caption(t("inspectors.own.spread", low=between[0], high=between[1], n=speed.n))
    cells[2].metric(t("inspectors.consistency"), values.percent(figures.consistency.value))
    n_repeats = figures.consistency.n
    cells[2].caption(t("inspectors.repeats", n=n_repeats) if n_repeats else t("inspectors.no_repeats"))
    drawn = figures.detection
    cells[3].metric(
        t("inspectors.d_prime"),
        values.number(drawn.d_prime if drawn else None, 2),
        help=t("inspectors.own.d_prime_help"),
    )
    cells[3].caption(_line(drawn.criterion) if drawn else t("inspectors.nothing_to_hold_against"))


def _line(criterion: float) -> str:
    """Where a person draws the line between good and defective."""
    name = "even" if abs(criterion) < 0.25 else "slow" if criterion > 0 else "quick"
    return t(f"inspectors.own.line_{name}", c=values.signed(criterion, 2))


def _matrix(question: Question, found: InspectorPage) -> None:
    st.subheader(t("inspectors.own.matrix"), anchor=False, help=t("inspectors.own.matrix_help"))
    if not any(map(sum, found.matrix)):
        st.caption(t("inspectors.nothing_to_hold_against"))
        return
    shown = [question.model.label_shown(label) for label in found.labels]
    figure = charts.confusion(
        found.matrix,
        shown,
        shown,
        row_title=t("inspectors.own.rows"),
        column_title=t("inspectors.own.columns"),
        colours=frame.colours(),
    )
    alt = t("inspectors.own.matrix_alt", right=found.figures.effectiveness.n_hits, n=found.figures.effectiveness.n)
    st.plotly_chart(figure, theme=None, config=charts.CONFIG, key="own_matrix", alt=alt)


def _against(found: InspectorPage) -> None:
    st.subheader(t("inspectors.own.against"), anchor=False)
    rows = [
        {
            t("inspectors.rate"): t(f"inspectors.criteria.{criterion}"),
            t("inspectors.own.mine"): with_sign(getattr(found.figures, criterion)),
        }
        for criterion in CRITERIA
    ]
    table(rows, alt=t("inspectors.own.against"))
    st.caption(limits_line(found.limits))


def _assistance(found: InspectorPage) -> None:
    """What seeing the model's answer did."""
    st.subheader(t("inspectors.own.assistance"), anchor=False, help=t("inspectors.own.assistance_help"))
    one = found.assistance
    if not one.n and not found.assisted.n:
        st.caption(t("inspectors.own.no_assistance"))
        return
    shares = (("first", one.first), ("final", one.final), ("bias", one.bias), ("benefit", one.benefit))
    rows = [
        {t("inspectors.rate"): t(f"inspectors.own.{name}"), t("inspectors.own.mine"): share_shown(share)}
        for name, share in (*shares, ("assisted", found.assisted))
    ]
    table(rows, alt=t("inspectors.own.assistance"))

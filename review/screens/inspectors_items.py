"""The items behind judging the judges: labels that are mixed up, with pictures side by side, and everybody's consensus
in two ways with its ties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from backend.judges.schemas import CalibrationExample, CalibrationPair, CalibrationSet, Consensus, ConsensusItem, Vote
from dashboard.kit import data, frame, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.gallery import Item, gallery
from dashboard.kit.tables import table
from dashboard.kit.text import plain, t
from review.screens.judge_words import share_shown, tell_counted

if TYPE_CHECKING:
    from review.screens.inspectors import Question

_PAGE: Final = 50
_SHOWN: Final = ("ties", "different", "all")
_THUMBNAIL: Final = "/v1/artifacts/{}/thumbnail"


def show_pairs(question: Question) -> None:
    """The most confused pairs, each with examples of both labels side by side."""
    found: CalibrationSet = data.read(
        lambda api: api.judges.calibration(question.model.name, question.window.start, question.window.end),
        "calibration",
        *question.key,
    )
    st.caption(t("inspectors.pairs.how"))
    if not found.n_subjects:
        frame.empty_state("inspectors.pairs.nothing_shared")
    elif not found.pairs:
        st.success(t("inspectors.pairs.none", n=found.n_subjects), icon=":material/check_circle:")
    for number, pair in enumerate(found.pairs, start=1):
        with st.container(border=True):
            _pair(question.model, number, pair, is_shown=found.are_examples_shown)
    if found.n_pairs > len(found.pairs):
        st.caption(t("inspectors.pairs.more", n=found.n_pairs - len(found.pairs)))
    tell_counted(found.counted)


def _pair(model: ModelInfo, number: int, pair: CalibrationPair, *, is_shown: bool) -> None:
    a, b = model.label_shown(pair.a), model.label_shown(pair.b)
    st.markdown(f"**{number}. {plain(a)} ↔ {plain(b)}**")
    told = t("inspectors.pairs.share", both=pair.n_both, either=pair.n_either, share=values.percent(pair.share))
    st.caption(told + (" " + t("inspectors.pairs.costly") if pair.are_kinds_apart else ""))
    if not is_shown:
        st.caption(t("inspectors.pairs.hidden"))
        return
    sides = st.columns(2)
    for where, label, examples, side in ((sides[0], a, pair.examples_a, "a"), (sides[1], b, pair.examples_b, "b")):
        with where:
            st.markdown(t("inspectors.pairs.really", label=plain(label)))
            _examples(model, examples, key=f"pair_{number}_{side}")
    if pair.examples_open:
        st.markdown(t("inspectors.pairs.open"))
        _examples(model, pair.examples_open, key=f"pair_{number}_open")


def _examples(model: ModelInfo, examples: Sequence[CalibrationExample], *, key: str) -> None:
    if not examples:
        st.caption(t("inspectors.pairs.no_example"))
        return
    items = [
        Item(
            one.subject_id,
            one.artifact,
            t("inspectors.pairs.alt", subject=one.subject_id, votes=_votes(model, one.votes)),
            [("", one.subject_id), (t("inspectors.pairs.said"), _votes(model, one.votes))],
        )
        for one in examples
    ]
    gallery(items, key=key)


def show_consensus(question: Question) -> None:
    """Both ways with how often each was right, and the subjects on which there is a tie or on which they differ."""
    picked = frame.choice(
        "inspectors.consensus.show",
        list(_SHOWN),
        key="show",
        shown=lambda name: t(f"inspectors.consensus.shows.{name}"),
        where=st.columns([1, 2])[0],
    )
    shown = picked or _SHOWN[0]
    after = _page_after(shown)
    found: Consensus = data.read(
        lambda api: api.judges.consensus(
            question.model.name,
            question.window.start,
            question.window.end,
            standard=question.standard,
            show=shown,
            after=after,
            limit=_PAGE,
        ),
        "consensus",
        shown,
        after,
        *question.key,
    )
    if not found.n_subjects:
        frame.empty_state("inspectors.pairs.nothing_shared")
        tell_counted(found.counted)
        return
    _ways(found)
    _items(question.model, found, shown, after)
    tell_counted(found.counted)


def _ways(found: Consensus) -> None:
    st.subheader(t("inspectors.consensus.ways"), anchor=False, help=t("inspectors.consensus.ways_help"))
    rows = [
        {
            t("inspectors.consensus.way"): t(f"inspectors.consensus.method.{way.method}"),
            t("inspectors.consensus.right"): share_shown(way.accuracy),
            t("inspectors.consensus.undecided"): values.number(way.n_undecided),
        }
        for way in found.methods
    ]
    table(rows, alt=t("inspectors.consensus.ways"))
    told = t("inspectors.consensus.told", n=found.n_subjects, ties=found.n_ties, different=found.n_different)
    st.caption(f"{told} {_fit(found)}")
    if not any(way.accuracy.n for way in found.methods):
        st.caption(t("inspectors.nothing_to_hold_against"))


def _fit(found: Consensus) -> str:
    if found.fit.reason is not None:
        return t("inspectors.consensus.not_fitted")
    return t("inspectors.consensus.fitted" if found.fit.is_converged else "inspectors.consensus.not_settled")


def _page_after(shown: str) -> str | None:
    """Where this list's page begins (`?after=`); an address about another list begins at the first one."""
    of, _, after = (st.query_params.get("after") or "").partition(":")
    return after if of == shown and after else None


def _items(model: ModelInfo, found: Consensus, shown: str, after: str | None) -> None:
    st.subheader(t("inspectors.consensus.items"), anchor=False)
    if not found.items:
        st.caption(t("inspectors.consensus.no_items"))
        return
    table(
        [_row(model, one) for one in found.items],
        alt=t("inspectors.consensus.items"),
        height=460,
        columns={t("inspectors.consensus.picture"): st.column_config.ImageColumn(width="small")},
    )
    with st.container(horizontal=True):
        if after and st.button(t("inspectors.consensus.first_page"), icon=":material/first_page:"):
            st.query_params.pop("after", None)
            st.rerun()
        if found.next_cursor and st.button(t("inspectors.consensus.next_page"), icon=":material/chevron_right:"):
            st.query_params["after"] = f"{shown}:{found.next_cursor}"
            st.rerun()


def _row(model: ModelInfo, one: ConsensusItem) -> dict[str, Any]:
    leaders = [model.label_shown(label) for label in one.majority]
    majority = t("inspectors.consensus.tie", labels=" = ".join(leaders)) if len(leaders) > 1 else "".join(leaders)
    likeliest = values.NOTHING
    if one.likeliest is not None:
        likeliest = f"{model.label_shown(one.likeliest)} ({values.percent(one.probability, 0)})"
    return {
        t("inspectors.consensus.picture"): _THUMBNAIL.format(one.artifact) if one.artifact else None,
        t("inspectors.consensus.subject"): one.subject_id,
        t("inspectors.consensus.votes"): _votes(model, one.votes),
        t("inspectors.consensus.method.majority"): majority,
        t("inspectors.consensus.method.dawid_skene"): likeliest,
        t("inspectors.consensus.truth"): model.label_shown(one.truth) if one.truth is not None else values.NOTHING,
    }


def _votes(model: ModelInfo, votes: Sequence[Vote]) -> str:
    return ", ".join(f"{model.label_shown(vote.label)} × {vote.n}" for vote in votes)

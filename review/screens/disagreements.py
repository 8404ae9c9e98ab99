"""Disagreements: what people and versions do not agree on, decided by one more person, and who was right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from backend.client import Client
from backend.ground_truth.schemas import TruthOut
from backend.review_tasks.schemas import ReviewTaskOut
from dashboard.kit import address, data, frame
from dashboard.kit.data import ModelInfo
from dashboard.kit.text import t
from dashboard.kit.values import moment, percent
from review.screens import inspect

VIEWS: Final = ("open", "decide", "settled")
#: More open disputes than anybody reads as a list; the bench takes all of them, one after the other.
LIMIT: Final = 500
_THUMBNAIL: Final = "/v1/artifacts/{}/thumbnail"


def show() -> None:
    """The screen."""
    frame.require("review:manage")
    title, picker, switch = st.columns([2, 3, 4], vertical_alignment="center")
    model = inspect.pick_model(picker)
    address.follow("view", VIEWS, VIEWS[0])
    view = switch.segmented_control(
        t("disagreements.view"),
        VIEWS,
        key="view",
        required=True,
        format_func=lambda name: t(f"disagreements.views.{name}"),
        label_visibility="collapsed",
    )
    address.keep("view", view, VIEWS[0])
    (title.subheader if view == "decide" else title.title)(t("disagreements.title"), anchor=False)
    with frame.errors():
        {"open": _open, "decide": _decide, "settled": _settled}[view or VIEWS[0]](model)


# --- open ----------------------------------------------------------------------------------------------------------


def _open(model: ModelInfo) -> None:
    tasks = data.read(lambda api: _open_tasks(api, model.name), "disputes", model.name)
    if not tasks:
        frame.empty_state("disagreements.empty")
        return
    chosen = _filters(model, tasks)
    st.caption(t("disagreements.n_open", n=len(chosen), total=len(tasks)))
    picked = st.dataframe(
        [_row(model, task) for task in chosen],
        column_config=_columns(),
        hide_index=True,
        row_height=64,
        height=min(560, 36 + 64 * len(chosen)),
        on_select="rerun",
        selection_mode="single-row",
        key="disputes",
    )
    rows = picked.selection.rows
    st.caption(t("disagreements.how"))
    if rows and rows[0] < len(chosen):
        frame.link(
            "disagreements",
            t("disagreements.decide_one", subject=chosen[rows[0]].subject_id),
            icon=":material/center_focus_strong:",
            view="decide",
            model=model.name,
            task=chosen[rows[0]].id,
        )


def _open_tasks(api: Client, model: str) -> list[ReviewTaskOut]:
    return api.review_tasks.list(model, state="open", mode="adjudicate", limit=LIMIT)


def _filters(model: ModelInfo, tasks: Sequence[ReviewTaskOut]) -> list[ReviewTaskOut]:
    """The tasks left after the filters by pair of labels, segment and reason, each in the URL."""
    pairs = sorted({pair_of(task) for task in tasks})
    segments = sorted({f"{key}:{value}" for task in tasks for key, value in task.segments.items()})
    reasons = sorted({task.reason for task in tasks})
    places = st.columns(3)
    pair = _select(places[0], "pair", pairs, lambda each: _pair_shown(model, each))
    segment = _select(places[1], "segment", segments, lambda each: each.replace(":", " = ", 1))
    reason = _select(places[2], "reason", reasons, lambda each: t(f"disagreements.reason.{each}"))
    return [task for task in tasks if matches(task, pair=pair, segment=segment, reason=reason)]


def _select(where: Any, name: str, options: Sequence[str], shown: Any) -> str | None:
    key = f"by_{name}"
    address.follow(key, options, None)
    picked: str | None = where.selectbox(
        t(f"disagreements.filter.{name}"),
        list(options),
        index=None,
        key=key,
        format_func=shown,
        placeholder=t("common.all"),
    )
    address.keep(key, picked)
    return picked


def pair_of(task: ReviewTaskOut) -> str:
    """The different answers of a task, in a fixed order: "ok | short"; no answer is "?"."""
    return " | ".join(sorted({str(one.get("label") or "?") for one in task.answers}))


def matches(task: ReviewTaskOut, *, pair: str | None, segment: str | None, reason: str | None) -> bool:
    """Whether a task is left by the filters; None lets everything through."""
    own = {f"{key}:{value}" for key, value in task.segments.items()}
    return pair in (None, pair_of(task)) and (segment is None or segment in own) and reason in (None, task.reason)


def _pair_shown(model: ModelInfo, pair: str) -> str:
    return " ↔ ".join(model.label_shown(None if name == "?" else name) for name in pair.split(" | "))


def _row(model: ModelInfo, task: ReviewTaskOut) -> dict[str, Any]:
    artifact = task.item.get("artifact")
    return {
        "picture": _THUMBNAIL.format(artifact) if artifact else None,
        "subject": task.subject_id,
        "opinions": ", ".join(f"{one['name']}: {_answer(model, one)}" for one in task.answers),
        "comments": " · ".join(str(one["comment"]) for one in task.answers if one.get("comment")),
        "segments": ", ".join(f"{key} = {value}" for key, value in task.segments.items()),
        "waiting_since": moment(task.created_at),
    }


def _answer(model: ModelInfo, opinion: dict[str, Any]) -> str:
    if opinion.get("verb") == "unsure":
        return t("bench.verb.unsure")
    return model.label_shown(opinion.get("label"))


def _columns() -> dict[str, Any]:
    names = ("subject", "opinions", "comments", "segments", "waiting_since", "truth", "right", "by", "at")
    columns: dict[str, Any] = {name: t(f"disagreements.column.{name}") for name in names}
    columns["picture"] = st.column_config.ImageColumn(t("disagreements.column.picture"), width="small")
    return columns


# --- decide --------------------------------------------------------------------------------------------------------


def _decide(model: ModelInfo) -> None:
    """The bench with the opinions shown; `?task=` opens one item only."""
    inspect.use_whole_height()
    request: dict[str, Any] = {"model": model.name, "modes": ["adjudicate"]}
    task = st.query_params.get("task")
    if task:
        request["task_ids"] = [task]
        frame.link("disagreements", t("disagreements.all_items"), view="decide", model=model.name)
    inspect.mount(model, request=request, empty="empty.adjudicate", open_field="to_adjudicate", key="adjudicate")


# --- settled -------------------------------------------------------------------------------------------------------


def _settled(model: ModelInfo) -> None:
    truths = data.read(lambda api: _adjudicated(api, model.name), "settled", model.name)
    if not truths:
        frame.empty_state("disagreements.nothing_settled")
        return
    people, machine = who_was_right(truths)
    cards = st.columns(3)
    cards[0].metric(t("disagreements.n_settled"), len(truths), border=True)
    cards[1].metric(t("disagreements.people_right"), _share(people), border=True)
    cards[2].metric(t("disagreements.ai_right"), _share(machine), border=True)
    st.caption(t("disagreements.right_note"))
    st.dataframe(
        [_settled_row(model, truth) for truth in reversed(truths)],
        column_config=_columns(),
        hide_index=True,
        height=min(520, 38 + 36 * len(truths)),
    )


def _adjudicated(api: Client, model: str) -> list[TruthOut]:
    return api.ground_truth.list(model, method="adjudication", limit=LIMIT)


def who_was_right(truths: Sequence[TruthOut]) -> tuple[tuple[int, int], tuple[int, int]]:
    """(right, all) of the labelled opinions of people, and of the AI, against what was settled."""
    counts = {True: [0, 0], False: [0, 0]}
    for truth in truths:
        for opinion in truth.details.get("opinions", []):
            if opinion.get("label") is None:
                continue
            count = counts[is_person(opinion)]
            count[0] += opinion["label"] == truth.label
            count[1] += 1
    return (counts[True][0], counts[True][1]), (counts[False][0], counts[False][1])


def is_person(opinion: dict[str, Any]) -> bool:
    """Whether a person gave this opinion, not a version."""
    return str(opinion.get("judge", "")).startswith(("user:", "person:"))


def _share(count: tuple[int, int]) -> str:
    return f"{percent(count[0] / count[1])} ({count[0]}/{count[1]})" if count[1] else t("common.none")


def _settled_row(model: ModelInfo, truth: TruthOut) -> dict[str, Any]:
    opinions = truth.details.get("opinions", [])
    return {
        "subject": truth.subject_id,
        "truth": model.label_shown(truth.label),
        "right": ", ".join(_named(one) for one in opinions if one.get("label") == truth.label) or t("common.none"),
        "opinions": ", ".join(f"{_named(one)}: {_answer(model, one)}" for one in opinions),
        "at": moment(truth.resolved_at),
    }


def _named(opinion: dict[str, Any]) -> str:
    """People stay letters here too: this list is about items, not about persons."""
    if is_person(opinion):
        return t("disagreements.person", name=opinion["name"])
    return t("disagreements.version", name=opinion["judge"])

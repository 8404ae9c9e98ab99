"""Versions: where each one comes from, how good it was, its place in the rollout, and changing that place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from backend.model_versions.schemas import VersionRead
from backend.rollouts.schemas import ChallengerRead, RolloutRead
from dashboard.kit import charts, data, frame, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.tables import table
from dashboard.kit.text import t, t_or
from review.rules.shares import answering

#: How many earlier rollouts are listed.
N_HISTORY = 20


def show() -> None:
    frame.page("versions.title", "versions.intro")
    model = frame.model_picker(st.columns([1.3, 3])[0])
    versions = data.read(lambda api: api.model_versions.list(model.name, limit=500), "model_versions", model.name)
    if not versions:
        frame.empty_state("versions.empty", action=("versions.empty.action", "retraining"))
        return
    history = data.read(lambda api: api.rollouts.list(model.name, limit=N_HISTORY), "rollouts", model.name)
    current = history[0] if history else None
    _in_force(current)
    _list(versions, current)
    names = {version.name: version for version in versions}
    chosen = frame.choice("common.version", list(names), key="version")
    if chosen:
        _one(model, names[chosen], current)
        if session.may("rollouts:write"):
            _change(model, names[chosen], current)
    if current is not None and session.may("rollouts:write"):
        _go_back(model, current, history)
    _history(history)


def role_of(version: str, current: RolloutRead | None) -> str:
    """champion, shadow, canary, ab or none: what a version does now."""
    if current is None:
        return "none"
    if current.champion == version:
        return "champion"
    return next((one.mode for one in current.challengers if one.version == version), "none")


def share_of(version: str, current: RolloutRead | None) -> str:
    """The part of the traffic that a version answers, or sees in shadow, and where; the champion's is what is left."""
    if current is None or role_of(version, current) == "none":
        return "–"
    live = [one for one in current.challengers if one.mode != "shadow"]
    if version != current.champion:
        return next(_part(one) for one in current.challengers if one.version == version)
    everywhere = sum(one.share for one in live if not one.segments)
    left = values.percent(max(0.0, 1 - everywhere))
    return t("versions.share_elsewhere", share=left) if any(one.segments for one in live) else left


def _part(one: ChallengerRead) -> str:
    share = values.percent(one.share)
    if not one.segments:
        return share
    where = "; ".join(f"{key}: {', '.join(names)}" for key, names in one.segments.items())
    return t("versions.share_within", share=share, segments=where)


def _beside(rollout: RolloutRead) -> str:
    """The challengers with what each does: "v2 (Canary, 20.0%)"."""
    said = [
        f"{one.version} ({t_or(f'versions.role.{one.mode}', one.mode)}, {_part(one)})" for one in rollout.challengers
    ]
    return ", ".join(said) or "–"


def _in_force(current: RolloutRead | None) -> None:
    if current is None:
        st.info(t("versions.no_rollout"), icon=":material/info:")
        return
    places = st.columns([1, 1.6, 1, 1.4])
    places[0].metric(t("versions.role.champion"), current.champion or "–")
    names = ", ".join(one.version for one in current.challengers)
    places[1].metric(t("versions.challengers"), names or "–", help=_beside(current) if names else None)
    places[2].metric(t("versions.level"), t_or(f"versions.level_name.{current.automation_level}",
                     current.automation_level))  # fmt: skip
    places[3].metric(t("versions.since"), values.moment(current.created_at))
    if any(one.mode != "shadow" for one in current.challengers):
        key = current.sticky_key
        st.caption(t("versions.sticky_segment", segment=key) if key else t("versions.sticky_subject"))


def _list(versions: list[VersionRead], current: RolloutRead | None) -> None:
    rows = [
        {
            t("versions.column.name"): version.name,
            t("versions.column.role"): t(f"versions.role.{role_of(version.name, current)}"),
            t("versions.column.share"): share_of(version.name, current),
            t("versions.column.parent"): version.parent or "–",
            t("versions.column.accuracy"): _share(version, "accuracy"),
            t("versions.column.escape"): _share(version, "escape_rate"),
            t("versions.column.overkill"): _share(version, "overkill_rate"),
            t("versions.column.kind"): t_or(f"versions.kind.{version.kind}", version.kind),
            t("versions.column.created_at"): values.moment(version.created_at),
        }
        for version in versions
    ]
    table(rows, alt=t("versions.title"), key="versions-table")


def _share(version: VersionRead, name: str) -> str:
    value = version.metrics.get(name)
    return values.percent(value) if isinstance(value, int | float) else "–"


# --- one version ---------------------------------------------------------------------------------------------------


def _one(model: ModelInfo, version: VersionRead, current: RolloutRead | None) -> None:
    left, right = st.columns([1, 1.1])
    with left:
        lines = [t("versions.made_at", at=values.exact(version.created_at))]
        if version.parent:
            lines.append(t("versions.from_parent", parent=version.parent))
        if version.artifact_sha256:
            lines.append(t("versions.file", hash=version.artifact_sha256[:16]))
        if version.notes:
            lines.append(version.notes.replace("\n", " "))
        st.markdown("\n".join(f"- {line}" for line in lines))
        if version.dataset_id:
            frame.link("datasets", t("versions.dataset"), icon=":material/dataset:", model=model.name,
                       dataset=version.dataset_id)  # fmt: skip
        if version.retraining_run_id:
            frame.link("retraining", t("versions.run"), icon=":material/model_training:", model=model.name,
                       run=version.retraining_run_id)  # fmt: skip
        champion = current.champion if current else None
        if champion and champion != version.name:
            frame.link("compare", t("versions.compare", champion=champion), icon=":material/compare_arrows:",
                       model=model.name, a=f"version:{version.name}", b=f"version:{champion}", seen="any")  # fmt: skip
    recall = version.metrics.get("recall")
    if isinstance(recall, dict) and recall:
        with right:
            st.markdown(f"**{t('versions.recall')}**")
            figure = charts.bars([model.label_shown(name) for name in recall], list(recall.values()), unit="ratio",
                                 colours=frame.colours())  # fmt: skip
            st.plotly_chart(figure, key="recall", config={"displayModeBar": False})


# --- changing who answers ------------------------------------------------------------------------------------------


def actions_for(version: str, current: RolloutRead | None) -> list[str]:
    """What may be done with a version now: promote, shadow, or hold (take it out)."""
    return {"champion": [], "none": ["shadow", "promote"]}.get(role_of(version, current), ["promote", "hold"])


def earlier_rollout(current: RolloutRead, history: list[RolloutRead]) -> RolloutRead | None:
    """What a rollback goes back to: the newest before the present one in which somebody else answered."""

    def who(one: RolloutRead) -> tuple[Any, ...]:
        return answering(one.champion, [other.model_dump(mode="json") for other in one.challengers], one.sticky_key)

    return next((one for one in history if one.id < current.id and who(one) != who(current)), None)


def rollout_for(action: str, version: str, current: RolloutRead | None) -> dict[str, Any]:
    """The rollout that an action asks for, ready to be posted (without its reason)."""
    champion = current.champion if current else None
    others = [one.model_dump(mode="json") for one in current.challengers] if current else []
    shadow = {"mode": "shadow", "share": 1.0}
    if action == "promote":
        others = [one for one in others if one["version"] != version]
        if champion and champion != version:
            others.append({"version": champion, **shadow})
        champion = version
    elif action == "shadow":
        others.append({"version": version, **shadow})
    else:
        others = [one for one in others if one["version"] != version]
    return {
        "champion": champion,
        "challengers": others,
        "automation_level": current.automation_level if current else "shadow",
        "sticky_key": current.sticky_key if current else None,
        "based_on": current.id if current else 0,
    }


def _change(model: ModelInfo, version: VersionRead, current: RolloutRead | None) -> None:
    actions = actions_for(version.name, current)
    if not actions:
        return
    with st.container(border=True):
        st.markdown(f"**{t('versions.change')}**")
        what, why, go = st.columns([1.8, 3, 1], vertical_alignment="bottom")
        action = what.selectbox(
            t("versions.action"),
            actions,
            format_func=lambda name: t(f"versions.do.{name}", version=version.name),
        )
        reason = why.text_input(t("versions.reason"), placeholder=t("versions.reason_hint"), max_chars=2000)
        if go.button(t("versions.apply"), type="primary", width="stretch", key="apply"):
            wish = rollout_for(action, version.name, current)
            _apply(reason, lambda why: session.client().rollouts.create(model.name, **wish, reason=why))
        st.caption(t(f"versions.effect.{action}", version=version.name))


def _go_back(model: ModelInfo, current: RolloutRead, history: list[RolloutRead]) -> None:
    """One button: who answered before answers again. It has a reason of its own, and no version to choose first."""
    earlier = earlier_rollout(current, history)
    if earlier is None:
        return
    with st.container(border=True):
        st.markdown(f"**{t('versions.back.title')}**")
        why, go = st.columns([4.8, 1], vertical_alignment="bottom")
        reason = why.text_input(
            t("versions.reason"), placeholder=t("versions.back.hint"), max_chars=2000, key="back-why"
        )
        if go.button(t("versions.back.do"), width="stretch", key="roll-back"):
            _apply(reason, lambda why: session.client().rollouts.roll_back(model.name, why, based_on=current.id))
        level = t_or(f"versions.level_name.{earlier.automation_level}", earlier.automation_level)
        st.caption(t("versions.back.effect", champion=earlier.champion or "–", beside=_beside(earlier), level=level,
                     at=values.moment(earlier.created_at)))  # fmt: skip


def _apply(reason: str, send: Callable[[str], RolloutRead]) -> None:
    if not reason.strip():
        st.warning(t("versions.reason_needed"), icon=":material/edit_note:")
        return
    with frame.errors():
        send(reason.strip())
        data.forget()
        st.rerun()


def _history(history: list[RolloutRead]) -> None:
    if not history:
        return
    st.subheader(t("versions.history"), anchor=False)
    rows = [
        {
            t("versions.since"): values.moment(one.created_at),
            t("versions.role.champion"): one.champion or "–",
            t("versions.challengers"): _beside(one),
            t("versions.by"): one.created_by_name or t("versions.by_service"),
            t("versions.reason"): one.reason,
        }
        for one in history
    ]
    table(rows, alt=t("versions.history"), key="rollouts-table")

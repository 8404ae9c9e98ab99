"""Automation: where a model stands on the ladder, every gate with its evidence, the verdict in a sentence, and what a
person may do about it. The model and the ladder (the whole or a segment) are in the address."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import streamlit as st

from backend.automation.schemas import Ladder, Rung
from dashboard.kit import automation_charts, charts, data, frame, session, values
from dashboard.kit import automation_words as words
from dashboard.kit.data import ModelInfo
from dashboard.kit.tables import table
from dashboard.kit.text import t, t_or
from dashboard.screens import automation_acts, automation_history, automation_policy, automation_recall
from review.rules.levels import LEVELS, above

#: The name of the whole model in the address.
WHOLE = "-"
#: How a gate's state is marked.
_BADGES = {
    "passed": ":green-badge[",
    "broken": ":red-badge[",
    "failing": ":orange-badge[",
    "waiting": ":blue-badge[",
    "unknown": ":gray-badge[",
}


def show() -> None:
    frame.page("automation.title", "automation.intro")
    top = st.columns([1.3, 1.3, 2], vertical_alignment="bottom")
    model = frame.model_picker(top[0])
    found = data.read(lambda api: api.automation.ladder(model.name), "automation", model.name)
    segment = _segment(model, found, top[1])
    rung = next((one for one in found.rungs if one.segment == segment), None) or _missing(found, segment)
    _standing(rung)
    if rung.policy is None:
        frame.empty_state("automation.no_policy")
    elif rung.verdict is None:
        st.info(t("automation.not_looked"), icon=":material/hourglass_empty:")
    else:
        _verdict(rung)
        _gates(rung)
        _evidence(rung)
    if session.may("rollouts:write"):
        automation_acts.show(model, rung)
    with frame.errors():
        automation_policy.show(model, found, rung)
    with frame.errors():
        automation_history.show(model, rung)
    if session.may("review:manage") and session.may("events:read"):
        with frame.errors():
            automation_recall.show(model, rung)


def _segment(model: ModelInfo, found: Ladder, where: Any) -> str:
    """The ladder: the whole model, those that stand by themselves, and segments that could."""
    own = [rung.segment for rung in found.rungs if rung.segment]
    others = [name for name in (data.segment_values(model) if model.segment_keys else []) if name not in own]
    picked = frame.choice(
        "automation.segment",
        [WHOLE, *own, *others],
        key="ladder",
        shown=lambda name: t("automation.whole") if name == WHOLE else name,
        where=where,
    )
    return "" if picked in (None, WHOLE) else str(picked)


def _missing(found: Ladder, segment: str) -> Rung:
    """A segment without a policy of its own stands where the model stands."""
    whole = found.rungs[0]
    return whole.model_copy(update={"segment": segment, "policy": None, "verdict": None, "acceptance": None})


def _standing(rung: Rung) -> None:
    names = [words.level_name(level) for level in LEVELS]
    figure = automation_charts.ladder(names, LEVELS.index(rung.level), colours=frame.colours())
    alt = t("automation.ladder_alt", level=words.level_name(rung.level))
    st.plotly_chart(figure, theme=None, config=charts.CONFIG, key="ladder_figure", alt=alt)
    champion = t("automation.champion", version=rung.champion or t("automation.no_champion"))
    st.caption(f"{t(f'automation.level_help.{rung.level}')} {champion}.")
    if rung.level == "partial":
        st.caption(_threshold(rung.acceptance))
    if rung.block is not None:
        who = rung.block.created_by_name or rung.block.created_by
        said = t("automation.blocked_by", who=who, at=values.moment(rung.block.created_at), reason=rung.block.reason)
        st.warning(said, icon=":material/front_hand:")


def _threshold(acceptance: dict[str, Any] | None) -> str:
    if not acceptance or acceptance.get("threshold") is None:
        return t("automation.no_threshold")
    return t(
        "automation.threshold",
        threshold=values.number(acceptance["threshold"], 2),
        share=values.percent(acceptance["share"]),
        limit=values.percent(acceptance["limit"]),
        upper=values.percent(acceptance["error_upper"]),
    )


def _verdict(rung: Rung) -> None:
    assert rung.verdict is not None
    kind, said = rung.verdict.kind, words.sentence(rung.verdict.verdict)
    if kind == "promote":
        st.success(said, icon=":material/trending_up:")
    elif kind == "step_back":
        st.error(said, icon=":material/trending_down:")
    elif kind == "blocked":
        st.warning(said, icon=":material/front_hand:")
    else:
        st.info(said, icon=":material/stairs:")
    evidence = rung.verdict.evidence
    n = sum(one["n_labels"] for one in evidence["counts"]["drawn"])
    looked = t(
        "automation.looked",
        at=values.moment(rung.verdict.decided_at),
        since=values.moment(datetime.fromisoformat(evidence["since"])),
        n=n,
        rate=values.number(evidence["labels_per_day"], 1),
    )
    replay = "replays" if rung.verdict.is_replayed else "replays_not"
    st.caption(f"{looked} {t(f'automation.{replay}', hash=rung.verdict.sha256[:12])}")


def _gates(rung: Rung) -> None:
    assert rung.verdict is not None
    verdict = rung.verdict.verdict
    left, right = st.columns(2, gap="large")
    with left:
        following = above(rung.verdict.level)
        if following is not None:
            st.subheader(t("automation.gates_up", to=words.level_name(following)), anchor=False)
            _list(verdict["gates"], "up")
    with right:
        st.subheader(t("automation.gates_hold", level=words.level_name(rung.verdict.level)), anchor=False)
        _list(verdict["holds"], "hold")


def _list(gates: list[dict[str, Any]], key: str) -> None:
    if not gates:
        st.caption(t("automation.gates_none"))
    for place, weighed in enumerate(gates):
        with st.container(border=True):
            _gate(weighed, f"{key}_{place}")


def _gate(weighed: dict[str, Any], key: str) -> None:
    gate, state = weighed["gate"], weighed["state"]
    badge = _BADGES[state] + t(f"automation.state.{state}") + "]"
    st.markdown(f"**{words.gate_name(gate)}** {badge}")
    value = words.figure(gate, weighed["value"])
    bounds, limit = words.bounds(weighed), words.limit(weighed)
    is_drawn = gate["kind"] != "drift" and (weighed["value"] is not None or weighed["upper"] is not None)
    if is_drawn:
        alt = t("automation.gate_alt", gate=words.gate_name(gate), value=value, bounds=bounds, limit=limit)
        figure = automation_charts.gate(weighed, value, colours=frame.colours())
        st.plotly_chart(figure, theme=None, config=charts.CONFIG, key=f"gate_{key}", alt=alt)
    shape = "gate_plain" if bounds == values.NOTHING else "gate_numbers"
    said = [t(f"automation.{shape}", value=value, bounds=bounds, limit=limit, n=values.number(weighed["n"]))]
    if weighed.get("is_recent"):
        said.append(t("automation.newest"))
    if weighed["n_more"] is not None:
        said.append(t("automation.gate_least" if weighed["is_least"] else "automation.gate_more", n=weighed["n_more"]))
    if weighed.get("names"):
        said.append(", ".join(weighed["names"]))
    st.caption(" · ".join(said))


def _evidence(rung: Rung) -> None:
    assert rung.verdict is not None
    evidence = rung.verdict.evidence
    with st.expander(t("automation.evidence"), icon=":material/fact_check:"):
        estimates = evidence.get("estimates") or []
        st.markdown(f"**{t('automation.estimates')}**")
        if not estimates:
            st.caption(t("automation.estimates_none"))
        else:
            table([_estimate(one) for one in estimates], alt=t("automation.estimates"), key="estimates")
            st.caption(t("automation.estimates_note"))
        if n_unseen := evidence.get("n_unseen"):
            st.caption(t("automation.unseen", n=values.number(n_unseen)))
        st.markdown(f"**{t('automation.refused')}**")
        refused = evidence.get("refused") or {}
        if not refused:
            st.caption(t("automation.refused_none"))
            return
        rows = [
            {
                t("automation.refused_column.reason"): t_or(f"automation.refused_reason.{reason}", reason),
                t("automation.refused_column.n"): values.number(n),
            }
            for reason, n in sorted(refused.items(), key=lambda item: -item[1])
        ]
        table(rows, alt=t("automation.refused"), key="refused")


def _estimate(one: dict[str, Any]) -> dict[str, str]:
    row = {
        "method": t_or(f"automation.method.{one['method']}", one["method"]),
        "value": values.percent(one["value"]),
        "interval": values.interval(one["lower"], one["upper"]),
        "n": values.number(one["n_labels"]),
        "note": t("automation.few_labels") if "few_labels" in one["warnings"] else values.NOTHING,
    }
    return {t(f"automation.estimate_column.{name}"): cell for name, cell in row.items()}

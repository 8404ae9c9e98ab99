"""The policy of a ladder: what must be proven for each step, tried on the past days before it is put in force."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from backend.automation.schemas import Backtest, Ladder, Policy, Rung
from dashboard.kit import automation_charts, charts, data, frame, session, values
from dashboard.kit import automation_words as words
from dashboard.kit.data import ModelInfo
from dashboard.kit.text import t
from dashboard.screens.automation_acts import act
from review.rules.levels import LEVELS

STEPS: Final = LEVELS[1:]
#: A first policy: what the form shows before anybody has declared one.
FIRST: Final[dict[str, Any]] = {
    "alpha": 0.05,
    "window_days": 90,
    "recent_days": 7,
    "steps": [
        {"level": "assist", "promote": "click", "gates": [{"kind": "accuracy", "target": 0.9}]},
        {
            "level": "partial",
            "promote": "click",
            "gates": [{"kind": "accuracy", "target": 0.95}, {"kind": "drift"}],
        },
    ],
    "accept": {"limit": 0.02, "alpha": 0.05},
}
_NUMBERS: Final = {
    "accuracy": ("target", 100.0, 99.999),
    "escape": ("limit", 100.0, 99.999),
    "non_inferiority": ("margin", 100.0, 50.0),
    "audited_share": ("minimum", 100.0, 100.0),
    "latency": ("limit_ms", 1.0, 3_600_000.0),
}
_DAYS: Final = (14, 30, 60, 90)


def show(model: ModelInfo, found: Ladder, rung: Rung) -> None:
    """The policy in force in one line, the form for those who may change it, and the past days."""
    st.subheader(t("automation.policy"), anchor=False)
    if rung.policy is not None:
        who = rung.policy.created_by_name or rung.policy.created_by
        at = values.moment(rung.policy.created_at)
        st.caption(t("automation.policy_of", id=str(rung.policy.id), who=who, at=at, reason=rung.policy.reason))
    stored = rung.policy.policy if rung.policy is not None and rung.policy.policy is not None else None
    policy: Policy | None = Policy.model_validate(stored) if stored is not None else None
    key = f"{model.name}_{rung.segment}_{rung.policy.id if rung.policy else 0}"
    if session.may("rollouts:write"):
        title = t("automation.edit" if policy is not None else "automation.new")
        with st.expander(title, icon=":material/tune:", expanded=policy is None):
            policy = _edit(model, found, rung, stored or FIRST, key)
    if policy is not None:
        _tried(model, rung, policy, key)


def _edit(model: ModelInfo, found: Ladder, rung: Rung, old: dict[str, Any], key: str) -> Policy | None:
    fields = _head(old, key)
    steps = [step for level in STEPS if (step := _step(level, old, found, key)) is not None]
    try:
        policy = Policy(steps=steps, **fields)
    except ValueError as error:
        st.warning(t("automation.editor.wrong", message=_message(error)), icon=":material/edit_note:")
        policy = None
    reason = st.text_input(
        t("automation.reason"), placeholder=t("automation.reason_hint"), max_chars=2000, key=f"why_{key}"
    ).strip()
    with st.container(horizontal=True):
        if st.button(t("automation.editor.try"), key=f"try_{key}", icon=":material/history:", disabled=policy is None):
            st.session_state[f"soi_tried_{key}"] = True
        is_saved = st.button(t("automation.editor.save"), key=f"save_{key}", type="primary", disabled=policy is None)
        is_removed = rung.policy is not None and st.button(t("automation.editor.remove"), key=f"remove_{key}")
    if (is_saved or is_removed) and not reason:
        st.warning(t("automation.reason_needed"), icon=":material/edit_note:")
    elif is_saved and policy is not None:
        based_on = rung.policy.id if rung.policy is not None else 0
        chosen = policy
        act(
            "policy",
            lambda api: api.automation.put_policy(
                model.name, chosen, reason=reason, segment=rung.segment, based_on=based_on
            ),
        )
    elif is_removed:
        act("remove", lambda api: api.automation.remove_policy(model.name, reason=reason, segment=rung.segment))
    return policy


def _head(old: dict[str, Any], key: str) -> dict[str, Any]:
    cells = st.columns(4, vertical_alignment="bottom")
    alpha = cells[0].number_input(
        t("automation.editor.alpha"), 0.1, 20.0, old["alpha"] * 100, help=t("automation.editor.alpha_help"),
        key=f"alpha_{key}",
    )  # fmt: skip
    window = cells[1].number_input(t("automation.editor.window"), 1, 366, old["window_days"], key=f"window_{key}")
    recent = cells[2].number_input(
        t("automation.editor.recent"), 1, 90, old["recent_days"], help=t("automation.editor.recent_help"),
        key=f"recent_{key}",
    )  # fmt: skip
    limit = (old.get("accept") or FIRST["accept"])["limit"]
    accept = cells[3].number_input(t("automation.editor.limit"), 0.01, 99.0, limit * 100, key=f"accept_{key}")
    return {
        "alpha": _share(alpha),
        "window_days": int(window),
        "recent_days": int(recent),
        "accept": {"limit": _share(accept), "alpha": _share(alpha)},
    }


def _step(level: str, old: dict[str, Any], found: Ladder, key: str) -> dict[str, Any] | None:
    before = next((step for step in old["steps"] if step["level"] == level), None)
    name = words.level_name(level)
    is_on = st.toggle(t("automation.editor.is_on", level=name), value=before is not None, key=f"on_{level}_{key}")
    if not is_on:
        return None
    gates = {gate["kind"]: gate for gate in (before or {}).get("gates", ())}
    with st.container(border=True):
        cells = st.columns(3, vertical_alignment="bottom")
        modes = ("click", "automatic")
        promote = cells[0].selectbox(
            t("automation.editor.promote"),
            modes,
            index=modes.index((before or {}).get("promote", "click")),
            format_func=lambda mode: t(f"automation.editor.promotes.{mode}"),
            key=f"promote_{level}_{key}",
        )
        made = [
            _number("accuracy", gates, cells[1], level, key),
            _number("audited_share", gates, cells[2], level, key),
            *_rest(gates, found, level, key),
        ]
        st.caption(t("automation.editor.zero"))
    return {"level": level, "promote": promote, "gates": [gate for gate in made if gate is not None]}


def _rest(gates: dict[str, Any], found: Ladder, level: str, key: str) -> list[dict[str, Any] | None]:
    first, *between, latency_cell, quantile_cell = st.columns(
        5 if found.has_positives else 3, vertical_alignment="bottom"
    )
    made = [_number("non_inferiority", gates, first, level, key)]
    if found.has_positives:
        escape = _number("escape", gates, between[0], level, key)
        kinds = ("passed", "defects")
        of = between[1].selectbox(
            t("automation.editor.escape_of"),
            kinds,
            index=kinds.index(gates.get("escape", {}).get("of", "passed")),
            format_func=lambda kind: t(f"automation.editor.escape_ofs.{kind}"),
            key=f"of_{level}_{key}",
        )
        made.append(escape | {"of": of} if escape is not None else None)
    latency = _number("latency", gates, latency_cell, level, key)
    quantiles = ("p50", "p90", "p95", "p99")
    quantile = quantile_cell.selectbox(
        t("automation.editor.quantile"),
        quantiles,
        index=quantiles.index(gates.get("latency", {}).get("quantile", "p95")),
        key=f"quantile_{level}_{key}",
    )
    made.append(latency | {"quantile": quantile} if latency is not None else None)
    drift = st.checkbox(t("automation.editor.drift"), value="drift" in gates, key=f"drift_{level}_{key}")
    return [*made, {"kind": "drift"} if drift else None]


def _number(kind: str, gates: dict[str, Any], cell: Any, level: str, key: str) -> dict[str, Any] | None:
    """A gate with one number; 0 leaves it out."""
    field, factor, most = _NUMBERS[kind]
    start = float(gates.get(kind, {}).get(field, 0.0)) * factor
    entered = cell.number_input(t(f"automation.editor.{kind}"), 0.0, most, start, key=f"{kind}_{level}_{key}")
    return {"kind": kind, field: round(entered / factor, 8)} if entered else None


def _share(percent: float) -> float:
    return round(percent / 100, 8)


def _message(error: ValueError) -> str:
    """The first thing that is wrong, as the checks say it."""
    errors = getattr(error, "errors", None)
    first = errors()[0] if callable(errors) else {"msg": str(error)}
    where = ".".join(str(part) for part in first.get("loc", ()))
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


# --- the past ------------------------------------------------------------------------------------------------------


def _tried(model: ModelInfo, rung: Rung, policy: Policy, key: str) -> None:
    """Asked again whenever the policy in the form changes, so that the strip follows the editor."""
    if not st.session_state.get(f"soi_tried_{key}"):
        if session.may("rollouts:write") or not st.button(t("automation.editor.try"), key=f"look_back_{key}"):
            return
        st.session_state[f"soi_tried_{key}"] = True
    cells = st.columns([1, 1.4, 1.6], vertical_alignment="bottom")
    days = cells[0].selectbox(t("automation.backtest.days"), _DAYS, index=1, key=f"days_{key}")
    level = cells[1].selectbox(
        t("automation.backtest.level"),
        [None, *LEVELS[:-1]],
        format_func=lambda name: words.level_name(name) if name else t("automation.backtest.as_was"),
        key=f"level_{key}",
    )
    clock = cells[2].selectbox(
        t("automation.backtest.clock"),
        ("logged", "resolved"),
        format_func=lambda name: t(f"automation.backtest.clocks.{name}"),
        key=f"clock_{key}",
    )
    st.markdown(f"**{t('automation.backtest.title', days=days)}**")
    with st.spinner(t("automation.backtest.wait")):
        found = data.read_slow(
            lambda api: api.automation.backtest(
                model.name, policy, segment=rung.segment, days=days, level=level, clock=clock
            ),
            "backtest",
            model.name,
            rung.segment,
            policy.model_dump_json(),
            days,
            level,
            clock,
        )
    _strip(found)


def _strip(found: Backtest) -> None:
    kinds = automation_charts.KINDS
    counts = {kind: values.number(sum(day.kind == kind for day in found.days)) for kind in kinds}
    st.caption(t("automation.backtest.sums", **counts))
    names = {kind: kind_name(kind) for kind in kinds}
    notes = [f"{names[day.kind]} ({words.line_why(day.key)}), n = {values.number(day.n_labels)}" for day in found.days]
    figure = automation_charts.strip(
        [day.at for day in found.days],
        [day.kind for day in found.days],
        notes,
        names=names,
        bounds=[(day.lower, day.accuracy, day.upper) for day in found.days],
        titles=(t("automation.backtest.right"), t("automation.backtest.bounds")),
        colours=frame.colours(),
    )
    st.plotly_chart(figure, theme=None, config=charts.CONFIG, key="backtest", alt=t("automation.backtest.alt"))
    if found.not_replayed:
        gates = ", ".join(t(f"automation.gate.{name}") for name in found.not_replayed)
        st.caption(t("automation.backtest.not_replayed", gates=gates))


def kind_name(kind: str) -> str:
    """A verdict in a word or two, as charts and lists call it."""
    return t(f"automation.kinds.{kind}")

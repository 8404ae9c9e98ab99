"""Verdicts, gates and levels of the automation ladder in words, for the screen and for messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.kit import values
from dashboard.kit.text import has, t

#: Gates whose figure must not fall below the limit; of the others it must not rise above.
FLOORS = frozenset({"accuracy", "non_inferiority", "audited_share"})


def level_name(level: str | None) -> str:
    """A level as the reader calls it."""
    return t(f"automation.levels.{level}") if level else values.NOTHING


def gate_name(gate: Mapping[str, Any]) -> str:
    """What a gate is about."""
    if gate["kind"] == "escape":
        return t(f"automation.gate.escape_{gate['of']}")
    if gate["kind"] == "latency":
        return t("automation.gate.latency", quantile=gate["quantile"])
    return t(f"automation.gate.{gate['kind']}")


def figure(gate: Mapping[str, Any], value: float | None) -> str:
    """A figure of a gate in its unit."""
    if gate["kind"] == "latency":
        return values.milliseconds(value)
    if gate["kind"] == "non_inferiority":
        return values.points(value)
    return values.number(value) if gate["kind"] == "drift" else values.percent(value)


def bounds(weighed: Mapping[str, Any]) -> str:
    """What is proven of a gate's figure."""
    gate, low, high = weighed["gate"], weighed.get("lower"), weighed.get("upper")
    if low is None and high is None:
        return values.NOTHING
    if low is None:
        return t("automation.at_most", value=figure(gate, high))
    if gate["kind"] == "non_inferiority":
        return f"{figure(gate, low)} – {figure(gate, high)}"
    return values.interval(low, high)


def limit(weighed: Mapping[str, Any]) -> str:
    """What a gate asks for."""
    gate = weighed["gate"]
    kind = "at_least" if gate["kind"] in FLOORS else "at_most"
    return t(f"automation.{kind}", value=figure(gate, weighed["limit"]))


def sentence(verdict: Mapping[str, Any]) -> str:
    """A verdict in one or two sentences, with its figures."""
    return t(
        f"automation.verdict.{verdict['kind']}",
        level=level_name(verdict["level"]),
        to=level_name(verdict.get("to")),
        n_more=values.number(verdict.get("n_more")),
        why=why(verdict),
    )


def why(verdict: Mapping[str, Any]) -> str:
    """The reason of a verdict."""
    key = f"automation.why.{verdict['key']}"
    weighed = _decisive(verdict)
    shown: dict[str, Any] = {
        "to": level_name(verdict.get("to")),
        "block": (verdict.get("block") or {}).get("reason", ""),
    }
    if weighed is not None:
        shown |= {
            "gate": gate_name(weighed["gate"]),
            "value": figure(weighed["gate"], weighed["value"]),
            "bounds": bounds(weighed),
            "limit": figure(weighed["gate"], weighed["limit"]),
            "names": ", ".join(weighed.get("names") or ()),
        }
    if not has(key):  # a state that no verdict ends with today, told by its gate
        return f"{shown.get('gate', '')}: {t('automation.state.' + verdict['key'].partition('_')[0])}"
    said = t(key, **shown)
    return f"{said} ({t('automation.newest')})" if weighed is not None and weighed.get("is_recent") else said


def line_why(key: str) -> str:
    """The reason of a verdict in a list, where its figures are not at hand: what it is about."""
    state, _, gate = key.partition("_")
    if has(f"automation.gate.{gate}"):
        return f"{t(f'automation.gate.{gate}')}: {t(f'automation.state.{state}')}"
    if gate in ("escape", "latency"):
        shown = gate_name({"kind": gate, "of": "passed", "quantile": "p95"})
        return f"{shown}: {t(f'automation.state.{state}')}"
    return t(f"automation.short.{key}")


def _decisive(verdict: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The weighed gate that decided."""
    gate = verdict.get("gate")
    everything = [*verdict["holds"], *verdict["gates"]] if verdict["kind"] == "step_back" else verdict["gates"]
    return next((one for one in everything if one["gate"] == gate), None) if gate else None

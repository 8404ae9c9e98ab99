"""The gates of the automation ladder, and the verdict as a pure function of logged evidence and a declared policy.

Everything is plain JSON: a verdict that is worked out again from what was stored has the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from review.rules import evidence as rules
from review.rules.evidence import Counts, Figure, Projection, labels_to
from review.rules.levels import Level, above, beneath
from review.rules.risk_control import Acceptance, accept_above

Kind = Literal["promote", "keep", "more_labels", "blocked", "step_back"]
#: passed: proven. waiting: more labels may prove it. failing: the estimate is on the wrong side. broken: proven not to
#: hold. unknown: nothing can be said.
State = Literal["passed", "waiting", "failing", "broken", "unknown"]
#: Digits kept of every number in a verdict: more would only be rounding noise of the machine.
DIGITS = 6


# --- gates ---------------------------------------------------------------------------------------------------------


def weigh(gate: Mapping[str, Any], evidence: Mapping[str, Any], alpha: float) -> dict[str, Any]:
    """What the evidence says of one gate: its state, the figure with bounds, the limit, and labels still needed."""
    counts = Counts.read(evidence["counts"])
    found = {
        "accuracy": _accuracy,
        "non_inferiority": _non_inferiority,
        "escape": _escape,
        "audited_share": _audited,
        "drift": _drift,
        "latency": _latency,
    }[gate["kind"]](gate, evidence, counts, alpha)
    return {"gate": dict(gate), **found}


def _accuracy(gate: Mapping[str, Any], evidence: Any, counts: Counts, alpha: float) -> dict[str, Any]:
    figure = rules.accuracy(counts, alpha)
    layers = counts.layers(lambda one: one.n_right)
    return _proven(figure, gate["target"], lambda: labels_to(layers, gate["target"], alpha), is_floor=True)


def _escape(gate: Mapping[str, Any], evidence: Any, counts: Counts, alpha: float) -> dict[str, Any]:
    figure = rules.escape(counts, gate["of"], alpha)
    passed = counts.part(lambda one: not one.says_positive)
    layers = passed.layers(lambda one: one.n_positive)

    def project() -> Projection:
        if gate["of"] == "passed":
            return labels_to(layers, gate["limit"], alpha, below=True)
        return _by_root(figure, gate["limit"], counts.n_labels, is_floor=False)

    return _proven(figure, gate["limit"], project, is_floor=False)


def _non_inferiority(gate: Mapping[str, Any], evidence: Any, counts: Counts, alpha: float) -> dict[str, Any]:
    figure = rules.non_inferiority(counts, alpha)
    limit = -gate["margin"]
    return _proven(figure, limit, lambda: _by_root(figure, limit, figure.n, is_floor=True), is_floor=True)


def _proven(figure: Figure, limit: float, project: Any, *, is_floor: bool) -> dict[str, Any]:
    """A gate on a rate: passed once the bound is on the right side of the limit, broken once all of it is wrong."""
    is_passed = figure.lower >= limit if is_floor else figure.upper <= limit
    is_broken = figure.upper < limit if is_floor else figure.lower > limit
    is_wrong = figure.value is not None and (figure.value < limit if is_floor else figure.value > limit)
    state: State = "passed" if is_passed else "broken" if is_broken else "failing" if is_wrong else "waiting"
    projection = project() if state == "waiting" else Projection(None)
    return {
        "state": state,
        "value": figure.value,
        "lower": figure.lower,
        "upper": figure.upper,
        "limit": limit,
        "n": figure.n,
        "n_more": projection.n_more,
        "is_least": projection.is_least,
        "reason": figure.reason,
    }


def _by_root(figure: Figure, limit: float, n: int, *, is_floor: bool) -> Projection:
    """Bounds narrow about as one over the root of n; for figures made of two bounds."""
    if figure.value is None or not n:
        return Projection(None)
    room = figure.value - limit if is_floor else limit - figure.value
    width = figure.value - figure.lower if is_floor else figure.upper - figure.value
    if room <= 0 or width <= 0:
        return Projection(None)
    n_more = n * ((width / room) ** 2 - 1)
    return Projection(max(1, round(n_more)) if n_more <= rules.MOST_LABELS else None)


def _audited(gate: Mapping[str, Any], evidence: Any, counts: Counts, alpha: float) -> dict[str, Any]:
    n, n_items, minimum = counts.n_labels, counts.n_items, gate["minimum"]
    share = n / n_items if n_items else None
    state: State = "unknown" if share is None else "passed" if share >= minimum else "broken"
    more = None if share is None or state == "passed" else max(1, -int(-(minimum * n_items - n) // 1))
    return _plain(state, share, minimum, n, n_more=more, reason=None if share is not None else "no_items")


def _drift(gate: Mapping[str, Any], evidence: Mapping[str, Any], counts: Any, alpha: float) -> dict[str, Any]:
    found = evidence.get("drift")
    if not found:
        return _plain("unknown", None, 0.0, 0, reason="no_drift")
    harmful, unclear = list(found["harmful"]), list(found["unclear"])
    state: State = "broken" if harmful else "failing" if unclear else "passed"
    return _plain(state, float(len(harmful)), 0.0, found["n_features"], names=harmful or unclear)


def _latency(gate: Mapping[str, Any], evidence: Mapping[str, Any], counts: Any, alpha: float) -> dict[str, Any]:
    found = (evidence.get("latency") or {}).get(gate["quantile"])
    if not found or found["value_ms"] is None:
        return _plain("unknown", None, gate["limit_ms"], 0, reason="no_latency")
    state: State = "passed" if found["value_ms"] <= gate["limit_ms"] else "broken"
    return _plain(state, found["value_ms"], gate["limit_ms"], found["n"])


def _plain(
    state: State,
    value: float | None,
    limit: float,
    n: int,
    *,
    n_more: int | None = None,
    reason: str | None = None,
    names: list[str] | None = None,
) -> dict[str, Any]:
    found: dict[str, Any] = {"state": state, "value": value, "lower": None, "upper": None, "limit": limit, "n": n}
    found |= {"n_more": n_more, "is_least": False, "reason": reason}
    return found | ({"names": names} if names else {})


# --- the verdict ---------------------------------------------------------------------------------------------------


def decide(evidence: Mapping[str, Any], policy: Mapping[str, Any]) -> dict[str, Any]:
    """promote, keep, more_labels, blocked or step_back, with the gates that say so and the reason as a text's name.

    `evidence`: level, version, champion, counts, recent (counts of the newest days), drift, latency, block.
    `policy`: alpha, steps (level, promote, gates), accept.

    The gates of a level must be passed to enter it and not be broken to stay: what merely is not proven keeps a model
    where it is; what is disproved, over everything or over the newest days, sends it one level down. People's block
    holds promotions back and never a step back.
    """
    alpha, level = policy["alpha"], evidence["level"]
    steps = {step["level"]: step for step in policy["steps"]}
    holds = _weigh_all(steps.get(level), evidence, alpha, is_hold=True)
    following = above(level)
    step = steps.get(following)
    gates = _weigh_all(step, evidence, alpha, is_hold=False)
    acceptance = _acceptance(evidence, policy, level, following)
    if following == "partial" and acceptance is not None:
        gates.append(_accept_gate(acceptance))
    found: dict[str, Any] = {
        "level": level,
        "to": None,
        "n_more": None,
        "is_least": False,
        "is_automatic": False,
        "holds": holds,
        "gates": gates,
        "acceptance": asdict(acceptance) if acceptance is not None else None,
    }
    rounded: dict[str, Any] = _rounded(found | _outcome(evidence, level, following, step, holds, gates))
    return rounded


def _weigh_all(step: Any, evidence: Mapping[str, Any], alpha: float, *, is_hold: bool) -> list[dict[str, Any]]:
    if step is None:
        return []
    found = [weigh(gate, evidence, alpha) for gate in step["gates"]]
    if is_hold:
        recent = {**evidence, "counts": evidence["recent"]}
        on_labels = {"accuracy", "escape", "non_inferiority"}
        for one, gate in zip(found, step["gates"], strict=True):
            if one["state"] != "broken" and gate["kind"] in on_labels:
                newest = weigh(gate, recent, alpha)
                if newest["state"] == "broken":
                    one.update(newest, is_recent=True)
    return found


def _acceptance(
    evidence: Mapping[str, Any], policy: Mapping[str, Any], level: str, following: str | None
) -> Acceptance | None:
    rule = policy.get("accept")
    if rule is None or "partial" not in (level, following):
        return None
    return accept_above(Counts.read(evidence["counts"]), rule["limit"], rule["alpha"])


def _accept_gate(found: Acceptance) -> dict[str, Any]:
    is_passed = found.threshold is not None
    state: State = "passed" if is_passed else "failing" if found.reason == "too_many_errors" else "waiting"
    upper = found.error_upper if is_passed else None
    gate = {
        "gate": {"kind": "acceptance", "limit": found.limit},
        **_plain(state, found.error, found.limit, found.n_labels),
    }
    return gate | {"upper": upper, "lower": None, "reason": found.reason}


def _outcome(
    evidence: Mapping[str, Any], level: str, following: Level | None, step: Any, holds: Any, gates: Any
) -> dict[str, Any]:
    broken = [one for one in holds if one["state"] == "broken"]
    down = beneath(level)
    if broken and down is not None:
        why = broken[0]
        return {
            "kind": "step_back",
            "to": down,
            "is_automatic": True,
            "key": f"broken_{_name(why)}",
            "gate": why["gate"],
        }
    if evidence.get("version") is None:
        return {"kind": "keep", "key": "no_version"}
    if following is None:
        return {"kind": "keep", "key": "top"}
    if step is None:
        return {"kind": "keep", "key": "no_step", "to": following}
    if evidence.get("champion") is None and following != "shadow":
        return {"kind": "keep", "key": "no_champion", "to": following}
    if evidence.get("block"):
        return {"kind": "blocked", "key": "blocked", "to": following, "block": evidence["block"]}
    open_gates = [one for one in gates if one["state"] != "passed"]
    if not open_gates:
        is_automatic = step["promote"] == "automatic"
        return {"kind": "promote", "key": "passed", "to": following, "is_automatic": is_automatic}
    first = next((one for one in open_gates if one["n_more"] is None), None)
    if first is not None:
        key = f"{first['state']}_{_name(first)}"
        return {"kind": "keep", "key": key, "to": following, "gate": first["gate"]}
    most = max(open_gates, key=lambda one: one["n_more"])
    key = "labels_least" if most["is_least"] else "labels"
    return {
        "kind": "more_labels",
        "key": key,
        "to": following,
        "n_more": most["n_more"],
        "is_least": most["is_least"],
        "gate": most["gate"],
    }


def _name(weighed: Mapping[str, Any]) -> str:
    return str(weighed["gate"]["kind"])


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value


def canonical(document: Any) -> bytes:
    """The one way in which evidence, policies and verdicts are written: sorted keys, no spaces, UTF-8.

    >>> canonical({"b": 1, "a": 0.5})
    b'{"a":0.5,"b":1}'
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(document: Any) -> str:
    """SHA-256 of the canonical form."""
    return hashlib.sha256(canonical(document)).hexdigest()

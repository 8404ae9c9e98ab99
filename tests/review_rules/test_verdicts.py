"""The ladder's pure part: levels, gates, and verdicts on evidence made by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from review.rules.anytime import confidence_sequence
from review.rules.automation import canonical, decide, digest, weigh
from review.rules.levels import carried, level_of, moved, threshold_of

ACCURACY = {"kind": "accuracy", "target": 0.9}


def counts(n: int, right: int, n_items: int = 10_000) -> dict[str, Any]:
    drawn = {"pi": 0.1, "says_positive": False, "bin": 45, "n_drawn": n, "n_labels": n, "n_right": right}
    return {"items": [{"says_positive": False, "bin": 45, "n": n_items}], "drawn": [drawn]}


def evidence(n: int = 500, right: int = 490, **more: Any) -> dict[str, Any]:
    return {
        "level": "shadow",
        "version": "v1",
        "champion": "v1",
        "counts": counts(n, right),
        "recent": counts(0, 0),
        "drift": None,
        "latency": None,
        "block": None,
        **more,
    }


def policy(*gates: dict[str, Any], level: str = "assist", **more: Any) -> dict[str, Any]:
    step = {"level": level, "promote": "click", "gates": list(gates or (ACCURACY,))}
    return {"alpha": 0.05, "window_days": 90, "recent_days": 7, "steps": [step], "accept": None, **more}


def said(verdict: dict[str, Any]) -> tuple[str, str]:
    return verdict["kind"], verdict["key"]


@pytest.mark.parametrize(
    ("given", "rule", "expected"),
    [
        (evidence(), policy(), ("promote", "passed")),
        (evidence(100, 95), policy(), ("more_labels", "labels")),
        (evidence(0, 0), policy(), ("more_labels", "labels_least")),
        (evidence(500, 440), policy(), ("keep", "failing_accuracy")),
        (evidence(500, 300), policy(), ("keep", "broken_accuracy")),
        (evidence(block={"id": 1, "reason": "audit"}), policy(), ("blocked", "blocked")),
        (evidence(version=None, champion=None), policy(), ("keep", "no_version")),
        (evidence(champion=None), policy(), ("keep", "no_champion")),
        (evidence(level="full"), policy(level="full"), ("keep", "top")),
        (evidence(level="assist"), policy(), ("keep", "no_step")),
        (evidence(500, 300, level="assist"), policy(), ("step_back", "broken_accuracy")),
        (evidence(500, 440, level="assist"), policy(), ("keep", "no_step")),
        (
            evidence(500, 300, level="assist", block={"id": 1, "reason": "x"}),
            policy(),
            ("step_back", "broken_accuracy"),
        ),
        (evidence(), policy(ACCURACY, {"kind": "drift"}), ("keep", "unknown_drift")),
        (
            evidence(drift={"harmful": [], "unclear": ["x"], "n_features": 2}),
            policy(ACCURACY, {"kind": "drift"}),
            ("keep", "failing_drift"),
        ),
        (
            evidence(drift={"harmful": [], "unclear": [], "n_features": 2}),
            policy(ACCURACY, {"kind": "drift"}),
            ("promote", "passed"),
        ),
        (
            evidence(level="assist", drift={"harmful": ["x"], "unclear": [], "n_features": 2}),
            policy({"kind": "drift"}),
            ("step_back", "broken_drift"),
        ),
        (
            evidence(latency={"p95": {"value_ms": 310.0, "n": 9}}),
            policy(ACCURACY, {"kind": "latency", "quantile": "p95", "limit_ms": 300.0}),
            ("keep", "broken_latency"),
        ),
        (evidence(), policy(ACCURACY, {"kind": "audited_share", "minimum": 0.1}), ("more_labels", "labels")),
        (evidence(), policy(ACCURACY, {"kind": "audited_share", "minimum": 0.05}), ("promote", "passed")),
    ],
)
def test_verdicts(given: dict[str, Any], rule: dict[str, Any], expected: tuple[str, str]) -> None:
    verdict = decide(given, rule)
    assert said(verdict) == expected
    if verdict["kind"] == "step_back":
        assert verdict["to"] == "shadow"
    if verdict["kind"] == "promote":
        assert verdict["to"] == "assist"


def test_the_newest_days_alone_can_break_a_gate() -> None:
    given = evidence(5000, 4800, level="assist", recent=counts(200, 120))
    verdict = decide(given, policy())
    assert said(verdict) == ("step_back", "broken_accuracy")
    assert verdict["holds"][0]["is_recent"]
    assert said(decide({**given, "recent": counts(20, 18)}, policy())) == ("keep", "no_step")


def test_an_audit_that_is_missing_says_how_many_labels() -> None:
    verdict = decide(evidence(), policy(ACCURACY, {"kind": "audited_share", "minimum": 0.1}))
    assert verdict["n_more"] == 500


def test_partial_needs_a_threshold_as_well() -> None:
    rule = policy(level="partial", accept={"limit": 0.05, "alpha": 0.05})
    earned = decide(evidence(2000, 1980, level="assist"), rule)
    assert said(earned) == ("promote", "passed")
    assert earned["acceptance"]["threshold"] == 0.9
    refused = decide(evidence(2000, 1860, level="assist"), rule)
    assert said(refused) == ("keep", "failing_acceptance")


def test_a_gate_is_passed_exactly_when_its_bound_is() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        n = int(rng.integers(1, 800))
        right = int(rng.binomial(n, 0.92))
        bounds = confidence_sequence(right, n)
        found = weigh(ACCURACY, evidence(n, right), 0.05)
        is_passed, is_broken = bounds.lower >= 0.9, bounds.upper < 0.9
        assert (found["state"] == "passed", found["state"] == "broken") == (is_passed, is_broken)


def test_the_same_evidence_has_the_same_bytes_after_a_round_trip() -> None:
    given, rule = evidence(317, 299, latency={"p95": {"value_ms": 0.1 + 0.2, "n": 3}}), policy()
    first = canonical(decide(given, rule))
    again = json.loads(canonical(given)), json.loads(canonical(rule))
    assert canonical(decide(*again)) == first
    assert digest(given) == digest(again[0])
    assert digest(given) != digest({**given, "version": "v2"})
    assert canonical({"b": "ạ", "a": [1, None]}) == '{"a":[1,null],"b":"ạ"}'.encode()


def test_a_verdict_holds_no_number_that_json_cannot() -> None:
    for given in (evidence(), evidence(0, 0), evidence(1, 0), evidence(1, 1)):
        canonical(decide(given, policy(ACCURACY, {"kind": "escape", "of": "defects", "limit": 0.1})))


def test_the_level_of_an_item_is_the_lowest_that_applies() -> None:
    kept = {
        "acceptance": {"threshold": 0.8},
        "segments": [
            {"segment": "line=L1", "level": "assist", "acceptance": None},
            {"segment": "shift=night", "level": "partial", "acceptance": {"threshold": 0.9}},
        ],
    }
    assert level_of("full", kept, {"line": "L1", "shift": "night"}) == "assist"
    assert level_of("full", kept, {"line": "L2"}) == "full"
    assert level_of("shadow", kept, {"shift": "night"}) == "partial"
    assert level_of("partial", None, {}) == "partial"
    assert threshold_of(kept, {"line": "L2"}) == 0.8
    assert threshold_of(kept, {"shift": "night"}) == 0.9
    assert threshold_of(kept, {"line": "L1", "shift": "night"}) is None
    assert threshold_of(None, {}) is None
    with pytest.raises(ValueError, match="no level"):
        level_of("autopilot", None, {})


def test_a_threshold_goes_with_its_champion_and_level() -> None:
    kept = {"acceptance": {"threshold": 0.8}, "segments": [{"segment": "a=b", "level": "full", "acceptance": None}]}
    same = carried(kept, "partial", same_champion=True, same_level=True)
    assert same == kept
    other_level = carried(kept, "assist", same_champion=True, same_level=False)
    assert other_level is not None
    assert (other_level["acceptance"], other_level["segments"][0]["level"]) == (None, "full")
    other = carried(kept, "assist", same_champion=False, same_level=False)
    assert other is not None
    assert (other["acceptance"], other["segments"][0]["level"]) == (None, "assist")
    assert carried(None, "assist", same_champion=True, same_level=True) is None


def test_moving_a_model_leaves_its_segments_and_the_other_way_round() -> None:
    level, kept = moved("assist", None, "a=b", "partial", {"threshold": 0.7})
    assert (level, kept["segments"]) == (
        "assist",
        [{"segment": "a=b", "level": "partial", "acceptance": {"threshold": 0.7}}],
    )
    level, again = moved(level, kept, "", "full", {"threshold": 0.7})
    assert (level, again["acceptance"], again["segments"]) == ("full", None, kept["segments"])

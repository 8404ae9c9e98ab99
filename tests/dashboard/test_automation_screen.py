"""The Automation screen: what it says in both languages and states, and what its buttons send."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from dashboard.kit import automation_charts, data
from dashboard.kit import automation_words as words
from dashboard.kit.text import catalogue, reading_as
from dashboard.kit.theme import DARK, LIGHT
from review.rules.automation import decide
from review.rules.levels import LEVELS
from tests.dashboard import fake_automation
from tests.dashboard.fake_api import NOW, FakeApi

MODULE = "dashboard.screens.automation"
BASE = "/v1/automation/pcb-inspection"
Open = Callable[..., Any]


def said(app: Any) -> str:
    kinds = ("title", "subheader", "caption", "markdown", "info", "success", "warning", "error", "button")
    parts = [str(getattr(one, "value", "") or getattr(one, "label", "")) for kind in kinds for one in app.get(kind)]
    return "\n".join(parts)


def body(api: FakeApi, path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(api.asked(f"{BASE}/{path}")[-1].content)
    return found


@pytest.mark.parametrize("language", ["en", "vi"])
def test_the_screen_shows_in_both_languages(open_screen: Open, language: str) -> None:
    app = open_screen(MODULE, language)
    assert not app.exception
    assert not app.error
    assert ("Trả lời đúng" if language == "vi" else "Right answers") in said(app)


def test_without_a_policy_it_says_what_to_do(open_screen: Open, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake_automation, "ladder", lambda at, **_: _ladder(at, is_empty=True))
    app = open_screen(MODULE)
    assert not app.exception
    assert "No policy is declared here" in said(app)
    assert app.toggle(key="on_assist_pcb-inspection__0").value


_ladder = fake_automation.ladder


def test_the_verdict_is_one_sentence_and_the_gates_stand_below_it(open_screen: Open) -> None:
    told = said(open_screen(MODULE))
    assert "**Stays at Assist.** The share of right answers is 93.3%, below 95.0%" in told
    assert "not met" in told
    assert "at most 300 ms" in told
    assert "byte for byte" in told
    assert "Not worse than a second inspector" in told


def test_promotion_is_offered_only_when_it_is_earned(open_screen: Open, api: FakeApi) -> None:
    assert open_screen(MODULE).button(key="promote").disabled
    api.automation = {"level": "shadow"}
    data.forget()
    app = open_screen(MODULE)
    assert not app.button(key="promote").disabled
    app.button(key="promote").click().run()
    assert not api.asked(f"{BASE}/promote")
    assert "Write down why first." in said(app)
    app.text_input(key="act_reason").input("ten good days").run()
    app.button(key="promote").click().run()
    assert body(api, "promote") == {"segment": "", "reason": "ten good days"}


def test_stepping_back_and_holding_send_their_reason(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(MODULE)
    app.text_input(key="act_reason").input("smell").run()
    app.button(key="step_back").click().run()
    assert body(api, "step-back")["reason"] == "smell"
    app.text_input(key="act_reason").input("audit").run()
    app.button(key="block").click().run()
    assert body(api, "block") == {"segment": "", "reason": "audit"}
    api.automation = {"is_blocked": True}
    data.forget()
    app = open_screen(MODULE)
    assert "Held by An" in said(app)
    app.text_input(key="act_reason").input("done").run()
    app.button(key="unblock").click().run()
    assert body(api, "unblock")["reason"] == "done"
    assert not app.exception


def test_a_policy_is_tried_before_it_is_saved(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(MODULE)
    key = "pcb-inspection__2"
    app.number_input(key=f"accuracy_partial_{key}").set_value(97.0).run()
    app.button(key=f"try_{key}").click().run()
    assert not app.exception
    tried = body(api, "backtest")
    assert tried["policy"]["steps"][1]["gates"][0] == {"kind": "accuracy", "target": 0.97}
    assert tried["days"] == 30
    assert "Go up on 5 days" in said(app)
    assert not api.asked(f"{BASE}/policy")
    app.button(key=f"save_{key}").click().run()
    assert not api.asked(f"{BASE}/policy")
    app.text_input(key=f"why_{key}").input("stricter").run()
    app.button(key=f"save_{key}").click().run()
    saved = body(api, "policy")
    assert (saved["reason"], saved["based_on"]) == ("stricter", 2)
    kinds = [gate["kind"] for gate in saved["policy"]["steps"][1]["gates"]]
    assert sorted(kinds) == sorted(gate["kind"] for gate in fake_automation.POLICY["steps"][1]["gates"])


def test_a_policy_that_cannot_be_says_why_and_is_not_saved(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(MODULE)
    key = "pcb-inspection__2"
    app.number_input(key=f"accuracy_assist_{key}").set_value(0.0).run()
    assert "This policy cannot be" in said(app)
    assert app.button(key=f"save_{key}").disabled


def test_a_recall_is_counted_before_it_is_opened(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(MODULE)
    app.button(key="recall_count").click().run()
    assert "About 33 of them are expected to be wrong." in said(app)
    assert not [one for one in api.asked(f"{BASE}/recalls") if one.method == "POST"]
    app.text_input(key="recall_reason").input("v1 let defects pass").run()
    app.button(key="recall_open").click().run()
    assert body(api, "recalls/preview")["limit"] == 200
    sent = [one for one in api.asked(f"{BASE}/recalls") if one.method == "POST"]
    assert json.loads(sent[0].content)["reason"] == "v1 let defects pass"


@pytest.mark.parametrize("role", ["viewer", "inspector"])
def test_who_may_not_change_rollouts_may_look_only(open_screen: Open, api: FakeApi, role: str) -> None:
    api.role = role
    app = open_screen(MODULE)
    assert not app.exception
    keys = {str(button.key) for button in app.button}
    assert not keys & {"promote", "step_back", "block", "look", "recall_count"}
    assert not [key for key in keys if key.startswith(("save_", "remove_"))]


def test_every_reason_a_verdict_can_have_is_said_in_both_languages() -> None:
    """Every state of every gate, as verdicts make them."""
    gates = [*fake_automation.POLICY["steps"][1]["gates"], {"kind": "escape", "of": "defects", "limit": 0.02}]
    given = fake_automation.evidence(NOW)
    variants: list[dict[str, Any]] = [given]
    variants.append({**given, "counts": {"items": [], "drawn": []}, "drift": None, "latency": None})
    variants.append({**given, "drift": {"harmful": ["x"], "unclear": [], "n_features": 1}})
    variants.append(fake_automation.evidence(NOW, n_right=300))
    variants.append({**given, "latency": {"p95": {"value_ms": 900.0, "n": 9}}})
    variants += [{**given, "version": None}, {**given, "champion": None}, {**given, "level": "full"}]
    variants.append({**given, "block": {"id": 1, "reason": "audit"}})
    seen = set()
    for language in ("en", "vi"):
        with reading_as(language):
            for level in LEVELS:
                for gate in gates:
                    policy = {
                        **fake_automation.POLICY,
                        "steps": [{"level": level, "promote": "click", "gates": [gate]}],
                    }
                    if level == "human_only":
                        continue
                    for one in variants:
                        for start in ("human_only", "shadow", "assist", "partial", "full"):
                            verdict = decide({**one, "level": start}, policy)
                            told = words.sentence(verdict)
                            assert "{" not in told
                            assert words.line_why(verdict["key"])
                            seen.add(verdict["key"])
    assert {"passed", "top", "blocked", "no_step", "labels_least", "failing_drift"} <= seen
    assert {key for key in seen if key.startswith("broken_")} >= {"broken_accuracy", "broken_drift", "broken_latency"}
    assert any(key.startswith("automation.why.") for key in catalogue("en"))


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_figures_show_the_limit_the_interval_and_the_days(colours: Any) -> None:
    weighed = decide(fake_automation.evidence(NOW), fake_automation.POLICY)["gates"]
    figure = automation_charts.gate(weighed[0], "93.3%", colours=colours)
    lines = [shape for shape in figure.layout.shapes if shape.type == "line"]
    assert [shape.x0 for shape in lines] == [0.95]
    assert list(figure.data[0].x) == [weighed[0]["lower"], weighed[0]["upper"]]
    for one in weighed:
        automation_charts.gate(one, "", colours=colours)
    ladder = automation_charts.ladder(list(LEVELS), 2, colours=colours)
    assert ladder.data[1].marker.size == (12, 12, 20, 12, 12)
    days = fake_automation.backtest(NOW, 12).days
    strip = automation_charts.strip(
        [day.at for day in days],
        [day.kind for day in days],
        [day.key for day in days],
        names={kind: kind for kind in automation_charts.KINDS},
        bounds=[(day.lower, day.accuracy, day.upper) for day in days],
        titles=("a", "b"),
        colours=colours,
    )
    bars = [trace for trace in strip.data if trace.type == "bar"]
    assert sum(len(bar.x) for bar in bars) == 12
    assert all(bar.width < 86_400_000 for bar in bars)
    assert days[-1].at == NOW - timedelta(days=1)

"""The ladder through the API: what counts, what a policy says, moving, blocking, and what is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from backend.client import ApiError
from db.base import utc_now
from db.models.automation import AutomationVerdict
from db.models.review import Decision
from review.rules.automation import canonical, decide, digest
from tests.automation.conftest import DAY, LOW, POLICY, REST, Line, boards


@pytest.fixture
def reviewed(line: Line) -> tuple[Line, list[dict[str, Any]]]:
    """3,000 boards over ten days, reviewed as they came; v1 is champion in shadow of people."""
    events = boards(3000, line.start)
    line.log(events)
    line.roll("v1", "shadow", line.start - DAY)
    line.review(events)
    return line, events


def test_evidence_counts_every_answer_by_how_it_was_drawn(reviewed: tuple[Line, list[dict[str, Any]]]) -> None:
    line, events = reviewed
    line.client.automation.put_policy("boards", POLICY, reason="first")
    found = line.client.automation.evaluate("boards").evidence
    low = [event for event in events if event["score"] < 0.6]
    drawn = found["counts"]["drawn"]
    assert sum(one["n"] for one in found["counts"]["items"]) == 3000
    assert sum(one["n_labels"] for one in drawn if one["pi"] == LOW) == len(low)
    right = sum(event["prediction"] == event["truth"] for event in low)
    assert sum(one["n_right"] for one in drawn if one["pi"] == LOW) == right
    positive = sum(event["truth"] == "bad" for event in low)
    assert sum(one["n_positive"] for one in drawn if one["pi"] == LOW) == positive
    assert {one["pi"] for one in drawn} == {LOW, REST}
    said_bad = sum(event["prediction"] == "bad" for event in events)
    assert sum(one["n"] for one in found["counts"]["items"] if one["says_positive"]) == said_bad


def test_answers_that_nobody_could_look_at_are_no_part_of_what_is_claimed(line: Line) -> None:
    """Of the boards without a picture nine in ten are wrong, and nobody was asked about them."""
    shown = boards(2000, line.start)
    bare = boards(2000, line.start, seed=2, wrong=0.9)
    with line.services.database.write() as session:
        session.merge(line.model).item_kind = "image"
    line.log([{**event, "artifacts": ["a" * 64]} for event in shown] + bare)
    line.roll("v1", "shadow", line.start)
    line.review(shown)
    line.client.automation.put_policy("boards", POLICY, reason="first")
    found = line.client.automation.evaluate("boards")
    assert found.evidence["n_unseen"] == 2000
    assert sum(one["n"] for one in found.evidence["counts"]["items"]) == 2000
    truth = sum(event["prediction"] == event["truth"] for event in shown) / len(shown)
    gate = found.verdict["gates"][0]
    assert gate["lower"] <= truth <= gate["upper"]


def test_every_estimator_is_near_the_truth_and_wilson_stands_beside(
    reviewed: tuple[Line, list[dict[str, Any]]],
) -> None:
    line, events = reviewed
    truth = sum(event["prediction"] == event["truth"] for event in events) / len(events)
    line.client.automation.put_policy("boards", POLICY, reason="first")
    found = line.client.automation.evaluate("boards")
    methods = {one["method"]: one for one in found.evidence["estimates"]}
    assert set(methods) == {"active_hajek", "stratified", "hajek", "ppi", "wilson"}
    assert all(one["lower"] - 0.02 <= truth <= one["upper"] + 0.02 for one in methods.values())
    assert methods["active_hajek"]["upper"] - methods["active_hajek"]["lower"] < 0.06
    gate = found.verdict["gates"][0]
    assert gate["lower"] <= truth <= gate["upper"]


def test_labels_without_a_chance_are_refused_and_counted_with_the_reason(
    reviewed: tuple[Line, list[dict[str, Any]]],
) -> None:
    line, events = reviewed
    line.client.automation.put_policy("boards", POLICY, reason="first")
    before = line.client.automation.evaluate("boards")
    with line.services.database.write() as session:
        at = line.start + DAY
        common = {"model_id": line.model.id, "label": "bad", "decided_at": at, "logged_at": at}
        for place, more in enumerate(
            [{"pi": 0.0}, {"pi": None}, {"pi": 0.5, "seen": "revealed"}, {"pi": 0.5, "is_adjudication": True}]
        ):
            session.add(Decision(subject_id=events[place]["subject_id"], judge=f"user:{place}", **common, **more))
        session.add(Decision(subject_id="elsewhere", judge="predictor:rule", pi=0.5, **common))
    after = line.client.automation.evaluate("boards")
    refused = after.evidence["refused"]
    assert refused["no_chance"] == 2
    assert (refused["revealed"], refused["adjudication"], refused["predictor"]) == (1, 1, 1)
    assert after.evidence["counts"] == before.evidence["counts"]


def test_a_verdict_replays_to_the_same_bytes(reviewed: tuple[Line, list[dict[str, Any]]]) -> None:
    line, _ = reviewed
    line.client.automation.put_policy("boards", POLICY, reason="first")
    made = line.client.automation.evaluate("boards")
    assert made.is_replayed
    with line.services.database.read() as session:
        row = session.get(AutomationVerdict, made.id)
        assert row is not None
        evidence, policy = json.loads(row.evidence), json.loads(row.policy)
        assert canonical(decide(evidence, policy)) == row.verdict.encode()
        assert row.sha256 == digest([evidence, policy, json.loads(row.verdict)])
    with line.services.database.write() as session:
        row = session.get(AutomationVerdict, made.id)
        assert row is not None
        row.evidence = row.evidence.replace('"level":"shadow"', '"level":"full"')
    assert not line.client.automation.verdict("boards", made.id).is_replayed


def test_a_passed_gate_lets_a_person_promote_and_the_rollout_says_who_and_why(
    reviewed: tuple[Line, list[dict[str, Any]]],
) -> None:
    line, _ = reviewed
    line.client.automation.put_policy("boards", POLICY, reason="first")
    made = line.client.automation.promote("boards", reason="ten good days")
    assert made.verdict["kind"] == "promote"
    current = line.client.rollouts.current("boards")
    assert current is not None
    assert (current.automation_level, current.reason, current.created_by_name) == ("assist", "ten good days", "Minh")
    assert made.rollout_id == current.id
    rung = line.client.automation.ladder("boards").rungs[0]
    assert (rung.level, rung.champion) == ("assist", "v1")


def test_entering_partial_stores_the_threshold_and_full_is_not_earned(
    reviewed: tuple[Line, list[dict[str, Any]]],
) -> None:
    line, events = reviewed
    line.client.automation.put_policy("boards", POLICY, reason="first")
    line.client.automation.promote("boards", reason="one")
    line.client.automation.promote("boards", reason="two")
    acceptance = line.client.automation.ladder("boards").rungs[0].acceptance
    assert acceptance is not None
    accepted = [event for event in events if event["score"] >= acceptance["threshold"]]
    assert sum(event["prediction"] != event["truth"] for event in accepted) / len(accepted) <= 0.15
    assert acceptance["error_upper"] <= 0.15
    with pytest.raises(ApiError) as caught:
        line.client.automation.promote("boards", reason="three")
    assert (caught.value.status, caught.value.code) == (409, "not_earned")


def test_a_block_holds_promotion_back_until_it_ends(reviewed: tuple[Line, list[dict[str, Any]]]) -> None:
    line, _ = reviewed
    line.client.automation.put_policy("boards", POLICY, reason="first")
    line.client.automation.block("boards", reason="audit by the customer")
    assert line.client.automation.evaluate("boards").kind == "blocked"
    with pytest.raises(ApiError) as caught:
        line.client.automation.promote("boards", reason="now")
    assert caught.value.code == "not_earned"
    ended = line.client.automation.unblock("boards", reason="audit passed")
    assert (ended.end_reason, ended.ended_by_name) == ("audit passed", "Minh")
    assert line.client.automation.evaluate("boards").kind == "promote"
    assert [one.reason for one in line.client.automation.blocks("boards")] == ["audit by the customer"]


def test_a_step_back_needs_no_evidence_and_evidence_begins_anew(
    reviewed: tuple[Line, list[dict[str, Any]]],
) -> None:
    line, _ = reviewed
    line.client.automation.put_policy("boards", POLICY, reason="first")
    line.client.automation.promote("boards", reason="good")
    ladder = line.client.automation.step_back("boards", reason="smell of burning")
    assert ladder.rungs[0].level == "shadow"
    again = line.client.automation.evaluate("boards")
    assert again.kind == "more_labels"
    assert again.verdict["is_least"]
    assert sum(one["n"] for one in again.evidence["counts"]["items"]) == 0


def test_a_segment_has_a_ladder_of_its_own(reviewed: tuple[Line, list[dict[str, Any]]]) -> None:
    line, _ = reviewed
    line.client.automation.put_policy("boards", POLICY, reason="first", segment="line=L1")
    made = line.client.automation.promote("boards", reason="L1 is good", segment="line=L1")
    assert sum(one["n"] for one in made.evidence["counts"]["items"]) == 1500
    levels = {rung.segment: rung.level for rung in line.client.automation.ladder("boards").rungs}
    assert levels == {"": "shadow", "line=L1": "assist"}
    line.client.rollouts.create("boards", champion="v1", automation_level="shadow", reason="a change of nothing")
    assert {rung.segment: rung.level for rung in line.client.automation.ladder("boards").rungs} == levels
    line.client.rollouts.create("boards", champion="v2", automation_level="shadow", reason="another version")
    assert {rung.level for rung in line.client.automation.ladder("boards").rungs} == {"shadow"}


def changed(**fields: Any) -> dict[str, Any]:
    return copy.deepcopy(POLICY) | fields


STEP = {"level": "assist", "gates": [{"kind": "accuracy", "target": 0.9}]}


@pytest.mark.parametrize(
    "wrong",
    [
        changed(alpha=0),
        changed(alpha=0.5),
        changed(window_days=0),
        changed(window_days=5, recent_days=6),
        changed(steps=[]),
        changed(steps=[STEP, STEP]),
        changed(steps=[{**STEP, "level": "full"}, STEP]),
        changed(steps=[{**STEP, "level": "human_only"}]),
        changed(steps=[{**STEP, "gates": []}]),
        changed(steps=[{**STEP, "gates": [*STEP["gates"], *STEP["gates"]]}]),  # type: ignore[misc]
        changed(steps=[{**STEP, "gates": [{"kind": "accuracy", "target": 1.5}]}]),
        changed(steps=[{**STEP, "gates": [{"kind": "accuracy"}]}]),
        changed(steps=[{**STEP, "gates": [{"kind": "luck"}]}]),
        changed(steps=[{**STEP, "promote": "automatic", "gates": [{"kind": "drift"}]}]),
        changed(steps=[{**STEP, "promote": "soon"}]),
        changed(steps=[{**STEP, "level": "partial"}], accept=None),
        changed(accept={"limit": 0}),
        changed(unheard_of=1),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(line: Line, wrong: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as caught:
        line.client.transport.request(
            "PUT", "/v1/automation/boards/policy", json={"policy": wrong, "reason": "why not"}
        )
    assert caught.value.status == 422
    assert line.client.automation.policies("boards") == []


def test_policies_are_versions_with_who_and_why(line: Line) -> None:
    first = line.client.automation.put_policy("boards", POLICY, reason="first", based_on=0)
    with pytest.raises(ApiError) as caught:
        line.client.automation.put_policy("boards", POLICY, reason="late", based_on=0)
    assert (caught.value.status, caught.value.code) == (409, "policy_changed")
    line.client.automation.put_policy("boards", changed(alpha=0.01), reason="stricter", based_on=first.id)
    line.client.automation.remove_policy("boards", reason="not now")
    found = line.client.automation.policies("boards")
    assert [(one.reason, one.policy is None) for one in found] == [
        ("not now", True),
        ("stricter", False),
        ("first", False),
    ]
    assert line.client.automation.ladder("boards").rungs[0].policy is None
    with pytest.raises(ApiError) as caught:
        line.client.automation.evaluate("boards")
    assert (caught.value.status, caught.value.code) == (404, "no_policy")


def test_what_the_model_cannot_have_is_refused(line: Line) -> None:
    with pytest.raises(ApiError) as caught:
        line.client.automation.put_policy("boards", POLICY, reason="x", segment="shift=night")
    assert caught.value.status == 422
    line.client.models.create(name="price", item_kind="tabular", output_kind="number")
    with pytest.raises(ApiError) as caught:
        line.client.automation.put_policy("price", POLICY, reason="x")
    assert caught.value.code == "not_for_numbers"
    line.client.models.create(name="topic", item_kind="text")
    escapes = changed(steps=[{**STEP, "gates": [{"kind": "escape", "limit": 0.1}]}])
    with pytest.raises(ApiError) as caught:
        line.client.automation.put_policy("topic", escapes, reason="x")
    assert caught.value.code == "no_positive_label"


def test_a_model_without_rollout_or_champion_stays_where_it_is(line: Line) -> None:
    line.client.automation.put_policy("boards", POLICY, reason="first")
    assert line.client.automation.evaluate("boards").verdict["key"] == "no_version"
    with pytest.raises(ApiError) as caught:
        line.client.automation.step_back("boards", reason="down")
    assert caught.value.code == "end_of_ladder"
    line.roll(None, "shadow", utc_now() - DAY, challengers=[{"version": "v1", "mode": "shadow", "share": 1.0}])
    assert line.client.automation.evaluate("boards").verdict["key"] == "no_champion"

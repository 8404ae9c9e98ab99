"""Policies on past days as they were known then, and recall lists after a rollback."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from backend.client import ApiError, Client
from db.base import utc_now
from db.models.automation import AutomationBlock
from db.models.review import Decision, ReviewTask
from tests.automation.conftest import DAY, POLICY, Line, boards

STRICT: dict[str, Any] = {
    "recent_days": 7,
    "steps": [
        {"level": "assist", "gates": [{"kind": "accuracy", "target": 0.8}, {"kind": "drift"}]},
    ],
}


@pytest.fixture
def lived(line: Line) -> Line:
    """v1 for ten days, then v2 for ten; boards reviewed an hour after they came."""
    now = utc_now()
    line.start = now - 20 * DAY
    first = boards(3000, line.start, seed=1, days=10)
    second = boards(600, line.start + 10 * DAY, seed=2, days=9.9, version="v2")
    for events in (first, second):
        line.log(events)
        line.review(events)
    line.roll("v1", "shadow", line.start - DAY)
    line.roll("v2", "shadow", line.start + 10 * DAY)
    return line


def test_a_back_test_sees_only_what_was_known_on_each_day(lived: Line) -> None:
    found = lived.client.automation.backtest("boards", STRICT, days=20, clock="resolved")
    assert found.not_replayed == ["drift"]
    assert len(found.days) == 20
    v1 = [day for day in found.days if day.version == "v1"]
    assert [day.n_labels for day in v1] == sorted(day.n_labels for day in v1)
    assert v1[-1].kind == "promote"
    first_v2 = next(day for day in found.days if day.version == "v2")
    assert first_v2.n_labels < v1[-1].n_labels
    assert first_v2.kind == "more_labels"
    kinds = {day.kind for day in v1}
    assert {"more_labels", "promote"} <= kinds
    first_promote = next(place for place, day in enumerate(v1) if day.kind == "promote")
    assert all(day.kind == "promote" for day in v1[first_promote:])


def test_what_was_logged_later_is_not_known_by_the_clock_of_logging(lived: Line) -> None:
    found = lived.client.automation.backtest("boards", STRICT, days=5)
    assert {day.kind for day in found.days} == {"none"}


def test_a_past_day_says_what_the_live_evidence_says_of_it(lived: Line) -> None:
    """The last midnight, worked out as a past day, against the live path asked at that moment."""
    from backend.automation import router, service
    from db.repositories import automation

    lived.client.automation.put_policy("boards", {**STRICT, "steps": [{"level": "assist", "gates": [
        {"kind": "accuracy", "target": 0.8}]}]}, reason="x")  # fmt: skip
    past = lived.client.automation.backtest("boards", STRICT, days=2, clock="resolved").days[-1]
    with lived.services.database.read() as session:
        policy = automation.policy_in_force(session, lived.model.id, "")
    assert policy is not None
    with lived.services.database.write() as session:
        session.execute(update(Decision).where(Decision.decided_at > past.at).values(pi=0.0))
        session.execute(update(ReviewTask).where(ReviewTask.created_at > past.at).values(pi=0.0))
    live = service.evaluate(lived.services.database, router.source_of(lived.services), lived.model, policy, utc_now())
    assert live.verdict["kind"] == past.kind
    assert sum(one["n_labels"] for one in live.evidence["counts"]["drawn"]) == past.n_labels


def test_a_level_can_be_supposed_and_a_past_block_counts(lived: Line) -> None:
    with lived.services.database.write() as session:
        row = AutomationBlock(model_id=lived.model.id, reason="audit", created_by="user:1")
        row.created_at, row.ended_at = lived.start + 8.1 * DAY, lived.start + 9.4 * DAY
        session.add(row)
    found = lived.client.automation.backtest("boards", STRICT, days=20, clock="resolved")
    assert "blocked" in {day.kind for day in found.days}
    top = lived.client.automation.backtest("boards", STRICT, days=3, clock="resolved", level="assist")
    assert {day.level for day in top.days} == {"assist"}
    assert {day.key for day in top.days} == {"no_step"}


def test_a_back_test_of_nonsense_is_refused(line: Line) -> None:
    for body in ({"policy": STRICT, "days": 1}, {"policy": {}, "days": 5}, {"policy": STRICT, "segment": "x"}):
        with pytest.raises(ApiError) as caught:
            line.client.transport.request("POST", "/v1/automation/boards/backtest", json=body)
        assert caught.value.status == 422


# --- recall --------------------------------------------------------------------------------------------------------


@pytest.fixture
def rolled_back(line: Line) -> tuple[Line, list[dict[str, Any]]]:
    """v2 answered badly for two days; then v1 again."""
    start = utc_now() - 5 * DAY
    bad = boards(2000, start, seed=3, days=2, wrong=0.09, version="v2")
    line.log(bad)
    line.know(bad)
    line.roll("v1", "shadow", start - 5 * DAY)
    line.roll("v2", "partial", start)
    line.roll("v1", "partial", start + 2 * DAY)
    line.review(bad)
    return line, bad


def test_a_recall_lists_what_nobody_judged_the_likeliest_wrong_first(
    rolled_back: tuple[Line, list[dict[str, Any]]],
) -> None:
    line, bad = rolled_back
    found = line.client.automation.preview_recall("boards", version="v2", reason="count")
    with line.services.database.read() as session:
        judged = set(session.scalars(select(Decision.subject_id)))
        assert not list(session.scalars(select(ReviewTask).where(ReviewTask.reason == "recall")))
    assert (found.n_answers, found.n_judged) == (2000, len(judged))
    assert found.n_subjects == 2000 - len(judged)
    chances = [item.chance_wrong for item in found.items]
    assert chances == sorted(chances, reverse=True)
    assert not {item.subject_id for item in found.items} & judged
    open_wrong = sum(e["prediction"] != e["truth"] for e in bad if e["subject_id"] not in judged)
    assert found.method == "calibrated"
    assert found.expected_wrong == pytest.approx(open_wrong, rel=0.5)


def test_opened_recalls_are_tasks_in_their_order_with_pi_stated(
    rolled_back: tuple[Line, list[dict[str, Any]]], sign_in: Any
) -> None:
    line, _ = rolled_back
    listed = line.client.automation.preview_recall("boards", version="v2", limit=10, reason="count").items
    waiting = listed[4].subject_id
    with line.services.database.write() as session:
        session.add(
            ReviewTask(
                model_id=line.model.id, subject_id=waiting, reason="random_audit", pi=0.1, policy_id="p", priority=900
            )
        )
    made = line.client.automation.open_recall("boards", version="v2", limit=10, reason="v2 let defects pass")
    assert (made.n_opened, made.n_raised, made.created_by_name) == (9, 1, "Minh")
    with line.services.database.read() as session:
        tasks = list(session.scalars(select(ReviewTask).where(ReviewTask.state == "open")))
    by_subject = {task.subject_id: task for task in tasks}
    assert [by_subject[item.subject_id].priority for item in listed] == list(range(10))
    assert by_subject[waiting].pi == 0.1
    assert {task.pi for task in tasks if task.reason == "recall"} == {0.0}
    inspector: Client = sign_in("inspector", name="Lan")
    claimed = inspector.review_tasks.claim("boards", n=3)
    assert [task.subject_id for task in claimed] == [item.subject_id for item in listed[:3]]
    inspector.review_tasks.decide(claimed[0], "ok")
    with line.services.database.read() as session:
        decision = session.scalars(select(Decision).where(Decision.task_id == claimed[0].id)).one()
        assert not decision.is_evidence
    assert [one.reason for one in line.client.automation.recalls("boards")] == ["v2 let defects pass"]


def test_without_labels_a_recall_goes_by_the_scores_as_they_are(line: Line) -> None:
    start = utc_now() - 3 * DAY
    events = boards(300, start, seed=4, days=2, version="v2")
    line.log(events)
    line.roll("v2", "partial", start - DAY)
    found = line.client.automation.preview_recall("boards", version="v2", limit=5, reason="count")
    lowest = sorted(event["score"] for event in events)[:5]
    assert found.method == "score"
    assert found.expected_wrong is None
    assert [item.score for item in found.items] == pytest.approx(lowest, abs=0.02)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"version": "v1"}, 422, "nothing_to_recall"),
        ({"version": "v2", "segment": "shift=night"}, 422, "invalid"),
        ({"version": "v2", "limit": 0}, 422, "invalid"),
        ({"version": "v2", "start": "2026-05-04T00:00:00Z", "end": "2026-05-03T00:00:00Z"}, 422, "invalid"),
        ({"version": "v2", "reason": " "}, 422, "invalid"),
    ],
)
def test_a_recall_that_makes_no_sense_is_refused(line: Line, body: dict[str, Any], status: int, code: str) -> None:
    line.roll("v2", "partial", utc_now() - DAY)
    with pytest.raises(ApiError) as caught:
        line.client.transport.request("POST", "/v1/automation/boards/recalls", json={"reason": "x", **body})
    assert (caught.value.status, caught.value.code) == (status, code)


def test_policy_of_the_api_is_the_policy_of_the_tests() -> None:
    from backend.automation.schemas import Policy

    assert Policy.model_validate(POLICY).model_dump(mode="json")["accept"] == {"limit": 0.15, "alpha": 0.05}

"""The worker's rounds: what it keeps, when it moves a model by itself, and whom it tells."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from backend.client import Client
from backend.outbox.rendering import write_text
from backend.worker.automation import AutomationJudge
from db.base import utc_now
from db.models.alert import Channel, OutboxMessage
from db.models.automation import AutomationVerdict
from tests.automation.conftest import DAY, POLICY, Line, boards


@pytest.fixture
def judge(line: Line) -> AutomationJudge:
    services = line.services
    return AutomationJudge(services.database, services.eventlog, language="en", give_up_hours=1)


def channel(line: Line, name: str, min_severity: str, models: list[str] | None = None) -> None:
    with line.services.database.write() as session:
        session.add(
            Channel(
                name=name,
                kind="webhook",
                target="x",
                shown="x",
                language="vi",
                min_severity=min_severity,
                models=models,
                created_by="test",
            )
        )


def sent(line: Line) -> list[OutboxMessage]:
    with line.services.database.read() as session:
        return list(session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)))


def verdicts(line: Line) -> int:
    return len(line.client.automation.verdicts("boards", limit=500))


def test_a_broken_gate_steps_back_by_itself_and_tells_whom_it_concerns(line: Line, judge: AutomationJudge) -> None:
    events = boards(3000, line.start, wrong=0.25)
    line.log(events)
    line.roll("v1", "partial", line.start - DAY)
    line.review(events)
    line.client.automation.put_policy("boards", POLICY, reason="first")
    channel(line, "grave", "high")
    channel(line, "others", "low", ["another-model"])
    done = judge.run()
    assert (done.n_looked, done.n_moved, done.n_failed, done.n_messages) == (1, 1, 0, 1)
    current = line.client.rollouts.current("boards")
    assert current is not None
    assert current.automation_level == "assist"
    assert current.champion == "v1"
    assert current.created_by.startswith("policy:")
    assert "surely below" in current.reason
    message = sent(line)[0]
    text = write_text(message.kind, message.payload, "vi", "http://soi.test")
    assert "lùi về bậc Hỗ trợ" in text.title
    assert "http://soi.test/automation?model=boards" in text.body
    english = write_text(message.kind, message.payload, "en", "http://soi.test")
    assert "From Partial to Assist." in english.body
    assert [one.details["to"] for one in _audit(line)] == ["assist"]


def _audit(line: Line) -> list[Any]:
    from db.models.person import AuditEntry

    with line.services.database.read() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.action == "automation.moved")))


def test_after_a_step_back_the_old_evidence_neither_breaks_nor_promotes_again(
    line: Line, judge: AutomationJudge
) -> None:
    events = boards(3000, line.start, wrong=0.25)
    line.log(events)
    line.roll("v1", "partial", line.start - DAY)
    line.review(events)
    line.client.automation.put_policy("boards", POLICY, reason="first")
    assert judge.run().n_moved == 1
    assert judge.run().n_moved == 0
    assert line.client.automation.ladder("boards").rungs[0].level == "assist"


def test_harm_of_the_newest_days_alone_steps_back(line: Line, judge: AutomationJudge) -> None:
    now = utc_now()
    good = boards(6000, now - 19 * DAY, seed=1, days=14, wrong=0.01)
    bad = boards(1500, now - 5 * DAY, seed=2, days=4.9, wrong=0.3)
    for events in (good, bad):
        line.log(events)
        line.review(events)
    line.roll("v1", "assist", now - 20 * DAY)
    line.client.automation.put_policy("boards", {**POLICY, "recent_days": 5}, reason="first")
    whole = line.client.automation.evaluate("boards").verdict["holds"][0]
    assert whole["is_recent"]
    assert judge.run().n_moved == 1


def test_only_a_step_that_says_so_is_promoted_by_itself(line: Line, judge: AutomationJudge) -> None:
    events = boards(3000, line.start)
    line.log(events)
    line.roll("v1", "shadow", line.start - DAY)
    line.review(events)
    line.client.automation.put_policy("boards", POLICY, reason="first")
    assert judge.run().n_moved == 0
    line.client.automation.promote("boards", reason="by hand to assist")
    assert judge.run().n_moved == 1
    current = line.client.rollouts.current("boards")
    assert current is not None
    assert current.automation_level == "partial"
    assert current.automation is not None
    acceptance = current.automation["acceptance"]
    accepted = sum(event["score"] >= acceptance["threshold"] for event in events)
    assert acceptance["share"] == pytest.approx(accepted / len(events), abs=1e-6)
    assert judge.run().n_moved == 0


def test_a_block_stops_promotion_and_not_the_way_back(line: Line, judge: AutomationJudge) -> None:
    events = boards(3000, line.start, wrong=0.25)
    line.log(events)
    line.roll("v1", "partial", line.start - DAY)
    line.review(events)
    line.client.automation.put_policy("boards", POLICY, reason="first")
    line.client.automation.block("boards", reason="audit")
    assert judge.run().n_moved == 1


def test_the_same_verdict_is_kept_once_in_six_hours(line: Line, judge: AutomationJudge) -> None:
    line.roll("v1", "shadow", line.start - DAY)
    line.client.automation.put_policy("boards", POLICY, reason="first")
    now = utc_now()
    for minutes in (0, 10, 20):
        judge.run(now + timedelta(minutes=minutes))
    assert verdicts(line) == 1
    judge.run(now + timedelta(hours=7))
    assert verdicts(line) == 2
    line.client.automation.block("boards", reason="changes the verdict")
    judge.run(now + timedelta(hours=7, minutes=1))
    assert verdicts(line) == 3


def test_a_rollout_that_came_meanwhile_is_not_undone(line: Line, judge: AutomationJudge) -> None:
    events = boards(3000, line.start, wrong=0.25)
    line.log(events)
    line.roll("v1", "partial", line.start - DAY)
    line.review(events)
    line.client.automation.put_policy("boards", POLICY, reason="first")
    drift = judge.source.audited.answers

    def meanwhile(*args: Any, **more: Any) -> Any:
        line.client.rollouts.create("boards", champion="v2", automation_level="human_only", reason="by hand")
        return drift(*args, **more)

    judge.source.audited.answers = meanwhile  # type: ignore[method-assign]
    assert judge.run().n_moved == 0
    current = line.client.rollouts.current("boards")
    assert current is not None
    assert (current.champion, current.automation_level) == ("v2", "human_only")
    assert verdicts(line) == 0


def test_one_policys_fault_does_not_stop_the_others(line: Line, judge: AutomationJudge) -> None:
    line.client.models.create(name="other", item_kind="text")
    broken = line.client.automation.put_policy("other", POLICY, reason="will be broken")
    line.client.automation.put_policy("boards", POLICY, reason="first")
    from db.models.automation import AutomationPolicy

    with line.services.database.write() as session:
        row = session.get(AutomationPolicy, broken.id)
        assert row is not None
        row.document = {"steps": [{"level": "assist", "gates": [{"kind": "gone"}]}], "alpha": 0.05}
    line.client.model_versions.create("other", name="v1", kind="external")
    line.client.rollouts.create("other", champion="v1", automation_level="shadow", reason="x")
    done = judge.run()
    assert (done.n_looked, done.n_failed) == (2, 1)
    assert verdicts(line) == 1


def test_a_round_has_a_time_limit_and_the_next_one_begins_where_it_ended(
    line: Line, judge: AutomationJudge, sign_in: Callable[..., Client]
) -> None:
    line.client.models.create(name="other", item_kind="text")
    for model in ("boards", "other"):
        line.client.automation.put_policy(model, POLICY, reason="first")
    assert judge.run(limit_s=-1).n_looked == 0
    assert judge.run().n_looked == 2
    with line.services.database.read() as session:
        assert len(list(session.scalars(select(AutomationVerdict)))) == 2


def test_a_threshold_is_raised_at_once_and_lowered_by_policy_after_a_day(line: Line, judge: AutomationJudge) -> None:
    events = boards(3000, line.start)
    line.log(events)
    low = {"acceptance": {"threshold": 0.2, "limit": 0.15, "share": 1.0, "error_upper": 0.1}, "segments": []}
    line.roll("v1", "partial", line.start - DAY, automation=low)
    line.review(events)
    policy = copy.deepcopy(POLICY)
    line.client.automation.put_policy("boards", policy, reason="first")
    assert judge.run().n_moved == 1
    raised = line.client.automation.ladder("boards").rungs[0]
    assert raised.level == "partial"
    assert raised.acceptance is not None
    threshold = raised.acceptance["threshold"]
    assert threshold > 0.2
    high = {"acceptance": {**raised.acceptance, "threshold": 0.98}, "segments": []}
    line.roll("v1", "partial", utc_now(), automation=high)
    assert judge.run().n_moved == 0
    assert judge.run(utc_now() + timedelta(hours=25)).n_moved == 1
    lowered = line.client.automation.ladder("boards").rungs[0].acceptance
    assert lowered is not None
    assert lowered["threshold"] == threshold

"""Rules, incidents, verdicts, silences, review batches and trying a rule, through the API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from backend.alerts.schemas import RuleIn
from backend.client import ApiError, Client
from backend.worker.alerts import AlertEvaluator
from db.models.alert import AlertDefaults
from db.models.model import Model
from db.models.review import ReviewTask
from tests.conftest import on_sqlite

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
END = NOW - timedelta(minutes=NOW.minute % 5, seconds=0)

RULE: dict[str, Any] = {
    "name": "errors",
    "model": "pcb",
    "measure": "error_rate",
    "window_s": 300,
    "offset_s": 0,
    "condition": {"kind": "threshold", "warning": 0.05, "alert": 0.1},
    "min_n": 10,
    "hold_s": 0,
    "clear_s": 0,
}


class Line:
    """The model "pcb" of a running app: an hour ago well, five minutes ago with errors."""

    def __init__(self, app: TestClient, sign_in: Callable[..., Client]) -> None:
        self.services = app.app.state.services  # type: ignore[attr-defined]
        with self.services.database.write() as session:
            self.model = Model(name="pcb", item_kind="tabular", labels=[{"name": "ok"}], segment_keys=["line"])
            self.model.inputs = [{"name": "width", "type": "number"}]
            session.add(self.model)
            session.flush()
            session.add(AlertDefaults(model_id=self.model.id))
        self.log(END - timedelta(hours=1), 100)
        self.log(END - timedelta(minutes=4), 60)
        self.log(END - timedelta(minutes=3), 40, status="error", score=0.2, segments={"line": "L2"})
        self.scientist = sign_in("data_scientist")

    def log(self, at: datetime, n: int, **event: Any) -> None:
        base = {"version": "v1", "prediction": "ok", "score": 0.9, "inputs": {"width": 3.0}, "segments": {"line": "L1"}}
        rows = [
            {
                **base,
                **event,
                "subject_id": f"{at:%H%M}-{i}",
                "happened_at": (at + timedelta(seconds=i / 2)).isoformat(),
            }
            for i in range(n)
        ]
        assert not self.services.eventlog.log_rows(self.model, rows).refusals

    def evaluate(self) -> None:
        AlertEvaluator(self.services.database, self.services.eventlog, "worker", give_up_hours=1).run(END)

    def fire(self, **fields: Any) -> str:
        """Add a rule, look at it, and give the id of what fires."""
        self.scientist.alerts.create_rule(**{**RULE, **fields})
        self.evaluate()
        return self.scientist.alerts.incidents(is_open=True).items[0].id


@pytest.fixture
def line(app: TestClient, sign_in: Callable[..., Client]) -> Line:
    return Line(app, sign_in)


def test_what_fires_leads_to_its_rows_and_peoples_verdict_gives_the_rule_its_precision(line: Line) -> None:
    incident = line.scientist.alerts.incident(line.fire())
    assert (incident.state, incident.peak, incident.n, incident.rule_name) == ("alert", 0.4, 100, "errors")
    assert incident.link.startswith("/health?model=pcb&range=24h&group=software&sel=")
    assert line.scientist.alerts.acknowledge(incident.id).acknowledged_by.startswith("user:")
    judged = line.scientist.alerts.give_verdict(incident.id, "true", "the camera was off")
    assert (judged.verdict, judged.verdict_comment) == ("true", "the camera was off")
    (rule,) = line.scientist.alerts.rules("pcb")
    assert (rule.state, rule.people_said.n_true, rule.people_said.precision) == ("alert", 1, 1.0)
    assert rule.people_said.lower == pytest.approx(0.2065, abs=1e-3)  # Wilson, 1 of 1
    marks = line.scientist.monitors.marks("pcb", END - timedelta(hours=1), END + timedelta(minutes=1))
    assert [(mark.kind, mark.name) for mark in marks if mark.kind == "alert"] == [("alert", "errors")]
    assert marks[-1].details["incident_id"] == incident.id


@on_sqlite
def test_a_segments_incident_leads_to_the_rows_of_that_segment(line: Line) -> None:
    incident = line.scientist.alerts.incident(line.fire(each="segment:line"))
    assert (incident.series, incident.series_of) == ("L2", "segment:line")
    assert incident.link.endswith("&segment=line%3DL2")


def test_a_review_batch_has_known_chances_and_comes_from_the_window_alone(line: Line) -> None:
    incident = line.fire()
    opened = line.scientist.alerts.open_batch(incident, 40)
    assert opened.batch is not None
    assert opened.batch.n_population == 100
    with line.services.database.read() as session:
        tasks = session.query(ReviewTask).filter_by(reason="alert").all()
    assert len(tasks) == opened.batch.n_tasks > 10
    assert {task.policy_id for task in tasks} == {incident}
    assert all(0 < task.pi <= 1 for task in tasks)
    assert {task.stratum for task in tasks} <= {"low_confidence", "random_control"}
    hour_ago = f"{END - timedelta(hours=1):%H%M}-"
    assert not any(task.subject_id.startswith(hour_ago) for task in tasks)
    assert [task.item for task in tasks if task.item.get("inputs") != {"width": 3.0}] == []
    with pytest.raises(ApiError) as twice:
        line.scientist.alerts.open_batch(incident, 40)
    assert twice.value.code == "batch_exists"


@on_sqlite
def test_changing_a_rule_ends_what_it_had_open_but_renaming_does_not(line: Line) -> None:
    incident = line.fire()
    (rule,) = line.scientist.alerts.rules("pcb")
    line.scientist.alerts.change_rule(rule.id, RuleIn(**{**RULE, "name": "faults"}))
    assert line.scientist.alerts.incident(incident).closed_at is None
    line.scientist.alerts.change_rule(rule.id, RuleIn(**{**RULE, "min_n": 20}))
    assert line.scientist.alerts.incident(incident).end_reason == "rule_changed"
    line.evaluate()
    page = line.scientist.alerts.incidents(rule_id=rule.id)
    assert [item.number for item in page.items] == [2, 1] or [item.number for item in page.items] == [1, 2]
    line.scientist.alerts.delete_rule(rule.id)
    assert line.scientist.alerts.rules("pcb") == []
    assert {item.end_reason for item in line.scientist.alerts.incidents().items} == {"rule_changed", "rule_off"}


@on_sqlite
def test_a_rule_is_tried_on_the_past_without_being_saved(line: Line) -> None:
    found = line.scientist.alerts.try_rule(RuleIn(**RULE), days=1)
    assert (found.n_incidents, found.n_alerts, found.raised[0].peak) == (1, 1, 0.4)
    assert found.raised[0].opened_at == END
    assert found.share_no_data > 0.9
    assert max(value or 0 for value in found.lines[0].value) == 0.4
    assert line.scientist.alerts.rules("pcb") == []
    calmer = RuleIn(**{**RULE, "condition": {"kind": "threshold", "alert": 0.5}})
    assert line.scientist.alerts.try_rule(calmer, days=1).n_incidents == 0
    everywhere = RuleIn(**{**RULE, "model": None})
    assert line.scientist.alerts.try_rule(everywhere, model="pcb", days=1).n_incidents == 1


NONSENSE: list[tuple[dict[str, Any], int]] = [
    ({"measure": "beauty"}, 422),
    ({"measure": "latency_heatmap"}, 422),
    ({"model": "other"}, 404),
    ({"window_s": 301}, 422),
    ({"every_s": 3600}, 422),
    ({"each": "segment:colour"}, 422),
    ({"each": "nonsense"}, 422),
    ({"measure": "label_shares", "each": "version"}, 422),
    ({"condition": {"kind": "threshold"}}, 422),
    ({"condition": {"kind": "threshold", "direction": "below", "warning": 0.1, "alert": 0.2}}, 422),
    ({"condition": {"kind": "burn_rate", "alert": 14.4}}, 422),
    ({"condition": {"kind": "burn_rate", "alert": 14.4}, "window_s": 3600, "measure": "latency_p95"}, 422),
    ({"channel_ids": ["absent"]}, 422),
    ({"colour": "red"}, 422),
]


@on_sqlite
def test_a_rule_that_makes_no_sense_is_refused(line: Line) -> None:
    for fields, status in NONSENSE:
        with pytest.raises(ApiError) as refused:
            line.scientist.transport.request("POST", "/v1/alerts/rules", json={**RULE, **fields})
        assert refused.value.status == status, fields


@on_sqlite
def test_silences_the_watchdog_and_who_may_what(line: Line, sign_in: Callable[..., Client]) -> None:
    assert line.scientist.alerts.watchdog().state == "never"
    incident = line.fire()
    stopped = line.scientist.alerts.watchdog()
    assert (stopped.n_rules, stopped.worker) == (1, "worker")
    silence = line.scientist.alerts.silence(model="pcb", ends_at=NOW + timedelta(hours=1), reason="maintenance")
    assert line.scientist.alerts.incident(incident).is_silenced
    assert [one.reason for one in line.scientist.alerts.silences()] == ["maintenance"]
    line.scientist.alerts.end_silence(silence.id)
    assert line.scientist.alerts.silences() == []
    viewer = sign_in("viewer").alerts
    assert viewer.incidents(is_open=True).items
    for forbidden in (lambda: viewer.acknowledge(incident), lambda: viewer.create_rule(**RULE)):
        with pytest.raises(ApiError) as refused:
            forbidden()
        assert refused.value.status == 403


@on_sqlite
def test_a_new_model_has_default_rules_once(app: TestClient, sign_in: Callable[..., Client]) -> None:
    scientist = sign_in("data_scientist")
    scientist.transport.request("POST", "/v1/models", json={"name": "fresh", "item_kind": "text"})
    rules = scientist.alerts.rules("fresh")
    assert {rule.template for rule in rules} == {
        "error_rate", "null_output_rate", "missing_rate", "latency_p95", "human_ai_agreement", "silence",
    }  # fmt: skip
    assert all(rule.title_key == f"alerts.template.{rule.template}" for rule in rules)
    scientist.alerts.delete_rule(rules[0].id)
    services = app.app.state.services  # type: ignore[attr-defined]
    AlertEvaluator(services.database, services.eventlog, "worker", give_up_hours=1).run()
    assert len(scientist.alerts.rules("fresh")) == 5


@on_sqlite
def test_pages_of_incidents_follow_each_other(line: Line) -> None:
    for place in range(3):
        line.scientist.alerts.create_rule(**{**RULE, "name": f"rule {place}"})
    line.evaluate()
    first = line.scientist.alerts.incidents(limit=2)
    second = line.scientist.alerts.incidents(limit=2, cursor=first.next_cursor)
    assert (len(first.items), len(second.items), second.next_cursor) == (2, 1, None)
    assert len({item.id for item in [*first.items, *second.items]}) == 3

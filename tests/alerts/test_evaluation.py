"""The evaluation on both databases: what fires, for which series, told once, whatever fails or happens twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from backend.alerts.rule import EVALUATION
from db.analytics.measures import failures
from db.models.alert import AlertIncident, AlertRule, AlertSilence, AlertState, Channel, OutboxMessage
from tests.alerts.conftest import NOON, Plant
from tests.conftest import on_sqlite

MINUTE = timedelta(minutes=1)
Rows = Callable[[Any], list[Any]]
#: What follows from the rules alone and touches no other SQL than the tests that run on both databases.


def add_channel(plant: Plant, name: str = "ops", **more: Any) -> None:
    fields = {"kind": "webhook", "target": "x", "shown": "x", "language": "en", "min_severity": "low"}
    with plant.database.write() as session:
        session.add(Channel(name=name, created_by="user:1", **{**fields, **more}))


def test_a_rule_fires_tells_every_channel_that_wants_it_and_ends(plant: Plant, rows: Rows) -> None:
    add_channel(plant)
    add_channel(plant, "graver", min_severity="high")
    add_channel(plant, "elsewhere", models=["other"])
    plant.rule()
    plant.log(NOON - 4 * MINUTE, 20, status="error", error="boom")
    plant.log(NOON + MINUTE, 20)
    evaluator = plant.evaluator()
    assert evaluator.run(NOON).n_messages == 1
    (incident,) = rows(AlertIncident)
    assert (incident.state, incident.peak, incident.n, incident.closed_at) == ("alert", 1.0, 20, None)
    assert (incident.window_start, incident.window_end) == (NOON - 5 * MINUTE, NOON)
    evaluator.run(NOON + 5 * MINUTE)
    (incident,) = rows(AlertIncident)
    assert (incident.closed_at, incident.end_reason) == (NOON + 5 * MINUTE, "well")
    messages = rows(OutboxMessage)
    assert [row.payload["event"] for row in messages] == ["opened", "closed"]
    assert messages[0].payload["peak"] == 1.0


def test_looking_twice_or_from_two_workers_tells_once(plant: Plant, rows: Rows) -> None:
    add_channel(plant)
    plant.rule()
    plant.log(NOON - 4 * MINUTE, 20, status="error")
    first, second = plant.evaluator("a"), plant.evaluator("b")
    original = second.watcher.read

    def slow(*args: Any) -> Any:
        found = original(*args)
        assert first.run(NOON).is_written  # the other worker is quicker
        return found

    second.watcher.read = slow  # type: ignore[method-assign]
    assert not second.run(NOON).is_written
    second.watcher.read = original  # type: ignore[method-assign]
    assert second.run(NOON).n_rules == 0
    assert len(rows(OutboxMessage)) == len(rows(AlertIncident)) == 1


def test_a_crash_before_the_commit_loses_nothing_and_doubles_nothing(
    plant: Plant, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    from db.repositories import outbox

    add_channel(plant)
    plant.rule()
    plant.log(NOON - 4 * MINUTE, 20, status="error")
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "add_messages", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            plant.evaluator().run(NOON)
    assert rows(AlertState) == rows(AlertIncident) == []
    assert plant.evaluator("next").run(NOON).n_messages == 1
    assert plant.evaluator("next").run(NOON + MINUTE).n_messages == 0


@on_sqlite
def test_what_happened_while_no_worker_ran_is_found_afterwards(plant: Plant, rows: Rows) -> None:
    plant.rule()
    evaluator = plant.evaluator()
    evaluator.run(NOON)
    plant.log(NOON + 11 * MINUTE, 20, status="error")
    plant.log(NOON + 16 * MINUTE, 20)
    evaluator.run(NOON + 60 * MINUTE)
    (incident,) = rows(AlertIncident)
    assert (incident.opened_at, incident.closed_at) == (NOON + 15 * MINUTE, NOON + 20 * MINUTE)


def test_each_version_and_each_line_has_a_state_of_its_own(plant: Plant, rows: Rows) -> None:
    plant.rule(name="versions", each="version")
    plant.rule(name="lines", each="segment:line")
    plant.rule(name="one line", segment_key="line", segment_value="L2")
    plant.rule(name="one version", version="v2")
    plant.log(NOON - 4 * MINUTE, 20)
    plant.log(NOON - 4 * MINUTE, 20, version="v2", role="shadow", status="error", segments={"line": "L2"})
    plant.log(NOON - 3 * MINUTE, 20, status="error", segments={"line": "L3"})
    plant.evaluator().run(NOON)
    names = {row.id: row.name for row in rows(AlertRule)}
    states = {(names[row.rule_id], row.series): row.state for row in rows(AlertState)}
    assert states == {
        ("versions", "v1"): "ok",
        ("versions", "v2"): "alert",
        ("lines", "L1"): "ok",
        ("lines", "L3"): "alert",
        ("one line", ""): "no_data",  # only shadow answers, which callers never got
        ("one version", ""): "alert",
    }


@on_sqlite
def test_a_version_that_is_gone_ends_its_incident_after_a_day(plant: Plant, rows: Rows) -> None:
    plant.rule(each="version")
    plant.log(NOON - 4 * MINUTE, 20, status="error")
    evaluator = plant.evaluator()
    evaluator.run(NOON)
    evaluator.run(NOON + timedelta(hours=1))
    assert rows(AlertIncident)[0].closed_at is None
    evaluator.run(NOON + timedelta(hours=30))
    evaluator.run(NOON + timedelta(hours=31))
    assert rows(AlertIncident)[0].end_reason == "gone"
    plant.log(NOON + timedelta(hours=32) - 4 * MINUTE, 20, status="error")
    evaluator.run(NOON + timedelta(hours=32))
    assert sorted(row.number for row in rows(AlertIncident)) == [1, 2]


@on_sqlite
def test_a_silence_keeps_quiet_and_an_acknowledged_incident_is_not_repeated(plant: Plant, rows: Rows) -> None:
    add_channel(plant)
    plant.rule(renotify_s=300)
    with plant.database.write() as session:
        silence = AlertSilence(
            model_id=plant.model.id,
            starts_at=NOON - MINUTE,
            ends_at=NOON + MINUTE,
            reason="maintenance",
            created_by="user:1",
        )
        session.add(silence)
    for minutes in (-4, 1, 6, 11):
        plant.log(NOON + minutes * MINUTE, 20, status="error")
    evaluator = plant.evaluator()
    assert evaluator.run(NOON).n_messages == 0
    assert evaluator.run(NOON + 5 * MINUTE).n_messages == 1
    assert evaluator.run(NOON + 10 * MINUTE).n_messages == 1
    with plant.database.write() as session:
        session.query(AlertIncident).one().acknowledged_at = NOON
    assert evaluator.run(NOON + 15 * MINUTE).n_messages == 0
    assert [row.payload["event"] for row in rows(OutboxMessage)] == ["opened", "reminded"]


@on_sqlite
def test_a_change_against_the_period_before_and_against_past_weeks(plant: Plant, rows: Rows) -> None:
    change = {"kind": "change", "mode": "relative", "alert": 0.5}
    plant.rule(name="before", measure="latency_p95", condition={**change, "against": "previous"})
    plant.rule(name="weeks", measure="latency_p95", condition={**change, "against": "past_weeks", "weeks": 2})
    for back, latency in ((timedelta(days=14), 10.0), (timedelta(days=7), 11.0), (5 * MINUTE, 40.0)):
        plant.log(NOON - back - 4 * MINUTE, 20, latency_ms=latency)
    plant.log(NOON - 4 * MINUTE, 20, latency_ms=41.0)
    plant.evaluator().run(NOON)
    found = {row.rule["name"]: row for row in rows(AlertIncident)}
    assert set(found) == {"weeks"}
    assert found["weeks"].reference == pytest.approx(10.5, rel=0.02)
    assert found["weeks"].peak == pytest.approx(41.0, rel=0.02)


@on_sqlite
def test_a_burn_rate_needs_both_windows(plant: Plant, rows: Rows) -> None:
    burn = {"kind": "burn_rate", "alert": 14.4, "objective": 0.999, "short_window_s": 300}
    plant.rule(window_s=3600, condition=burn)
    plant.log(NOON - 40 * MINUTE, 20, status="error")
    plant.log(NOON - 4 * MINUTE, 20)
    plant.log(NOON + MINUTE, 20, status="error")
    evaluator = plant.evaluator()
    evaluator.run(NOON)
    assert rows(AlertIncident) == []
    evaluator.run(NOON + 5 * MINUTE)
    assert rows(AlertIncident)[0].peak == pytest.approx(40 / 60)


@on_sqlite
def test_a_failed_evaluation_is_an_alert_of_its_own_and_harms_no_other_rule(
    plant: Plant, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_channel(plant)
    plant.rule(name="broken", measure="timeout_rate")
    plant.rule()
    plant.log(NOON - 4 * MINUTE, 20, status="error")

    def fail(*_: Any) -> Any:
        raise ValueError("the histogram is broken")

    measure = next(one for one in failures.MEASURES if one.name == "timeout_rate")
    evaluator = plant.evaluator()
    with monkeypatch.context() as patch:
        patch.setattr("db.analytics.watched.BY_NAME", {**_measures(), "timeout_rate": _broken(measure, fail)})
        report = evaluator.run(NOON)
    assert report.n_failed == 1
    by_kind = {row.kind: row for row in rows(AlertIncident)}
    assert set(by_kind) == {"failure", "rule"}
    assert by_kind["failure"].series == EVALUATION
    assert "the histogram is broken" in by_kind["failure"].reason
    assert report.n_messages == 2
    evaluator.run(NOON + 5 * MINUTE)
    assert {row.kind: row.end_reason for row in rows(AlertIncident)}["failure"] == "well"


def _measures() -> dict[str, Any]:
    from db.analytics.catalog import BY_NAME

    return dict(BY_NAME)


def _broken(measure: Any, compute: Any) -> Any:
    from dataclasses import replace

    return replace(measure, compute=compute)


@dataclass
class Verdict:
    feature: str
    verdict: str
    reason: str | None = None
    psi: float | None = None
    n: int = 0


@on_sqlite
def test_a_drift_verdict_fires_for_its_feature_alone(plant: Plant, rows: Rows) -> None:
    plant.rule(measure="drift", window_s=86_400, every_s=3600, condition={"kind": "drift"})
    asked = []

    def judge(
        model: Any, version: str | None, segment: Any, ends: Sequence[datetime], width: timedelta
    ) -> list[list[Verdict]]:
        asked.append((model.name, version, segment, list(ends), width))
        return [[Verdict("width", "drifted", "missing"), Verdict("height", "ok"), Verdict("depth", "insufficient")]]

    plant.evaluator(drift=judge).run(NOON)
    assert asked == [("pcb", None, None, [NOON], timedelta(days=1))]
    assert [(row.series, row.reason) for row in rows(AlertIncident)] == [("width", "missing")]
    assert {row.series: row.state for row in rows(AlertState)} == {"width": "alert", "height": "ok", "depth": "no_data"}


@on_sqlite
def test_silence_of_a_model_is_seen_against_its_past_weeks(plant: Plant, rows: Rows) -> None:
    from backend.alerts.defaults import default_rules

    silence = next(rule for rule in default_rules() if rule["template"] == "silence")
    plant.rule(**{**silence, "hold_s": 0})
    for weeks in (1, 2):
        plant.log(NOON - timedelta(days=7 * weeks, minutes=30), 100)
    plant.evaluator().run(NOON + timedelta(seconds=61))
    assert [row.rule["name"] for row in rows(AlertIncident)] == ["silence"]


@on_sqlite
def test_every_model_is_watched_by_a_rule_without_a_model_and_gets_default_rules(plant: Plant, rows: Rows) -> None:
    from db.models.model import Model

    with plant.database.write() as session:
        session.add(Model(name="other", item_kind="text"))
    plant.rule(model_id=None, name="all")
    plant.evaluator().run(NOON)
    everywhere = next(row for row in rows(AlertRule) if row.name == "all")
    assert len([row for row in rows(AlertState) if row.rule_id == everywhere.id]) == 2
    assert len([row for row in rows(AlertRule) if row.template]) == 6

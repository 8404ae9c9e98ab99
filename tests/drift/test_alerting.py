"""An alert rule on drift, judged by the drift slice itself as the worker does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from backend.alerts import router as alerts_router
from backend.alerts.schemas import RuleIn
from backend.client import ApiError, Client
from backend.drift import service
from backend.drift.judge import drift_judge
from backend.worker.alerts import AlertEvaluator
from backend.worker.references import count_references
from db.base import utc_now
from db.eventlog.log import EventLog
from db.eventlog.seal import seal
from db.models.alert import AlertIncident, AlertRule
from db.models.model import Model
from db.repositories import alert_rules
from tests.conftest import on_sqlite
from tests.drift.conftest import DAY, HOUR, START


@on_sqlite
def test_a_drift_rule_fires_for_the_feature_that_moved_and_for_no_other(
    app: TestClient, model: Model, eventlog: EventLog, log_clean: Callable[..., int], sign_in: Callable[..., Client]
) -> None:
    services = app.app.state.services  # type: ignore[attr-defined]
    log_clean(START, 6_000, 2 * DAY)
    seal(services.database, eventlog.lake.uri, model.id, owner="w")
    sign_in("data_scientist").drift.create_reference(model="loans", start=START, end=START + 2 * DAY, name="spring")
    count_references(services.database, eventlog.lake, threading.Event(), turn_s=60)
    log_clean(START + 2 * DAY, 800, DAY, in_income=np.random.default_rng(1).lognormal(3.6, 0.6, 800))
    with services.database.write() as session:
        alert_rules.give_defaults(session, model.id, [])
        alert_rules.add_rule(
            session,
            AlertRule(
                name="drift", model_id=model.id, measure="drift", window_s=86_400, every_s=3600, offset_s=0,
                condition={"kind": "drift"}, min_n=10, hold_s=0, clear_s=0, renotify_s=0, no_data="no_data",
                severity="medium", created_by="user:1",
            ),
        )  # fmt: skip
    judge = drift_judge(services.database, eventlog)
    AlertEvaluator(services.database, eventlog, "w", give_up_hours=1, drift=judge).run(START + 3 * DAY)
    with services.database.read() as session:
        told = [(row.series, row.reason, row.peak) for row in session.query(AlertIncident)]
    assert [(series, reason) for series, reason, _ in told] == [("in_income", "shift")]
    assert told[0][2] > 0.3  # PSI of a shift of one sigma of the logarithm is about 1


@pytest.fixture
def history(
    app: TestClient, model: Model, eventlog: EventLog, log_clean: Callable[..., int], sign_in: Callable[..., Client]
) -> Client:
    """Two clean days as reference, then four: on the second incomes are higher for 30 hours, on the fourth age is
    missing for an afternoon. All but the last day is sealed."""
    services = app.app.state.services  # type: ignore[attr-defined]
    rng = np.random.default_rng(7)
    scientist = sign_in("data_scientist")
    log_clean(START, 6_000, 2 * DAY)
    seal(services.database, eventlog.lake.uri, model.id, owner="w")
    scientist.drift.create_reference(model="loans", start=START, end=START + 2 * DAY, name="spring")
    log_clean(START + 2 * DAY, 2_400, DAY)
    log_clean(START + 3 * DAY, 3_000, 30 * HOUR, in_income=rng.lognormal(3.6, 0.6, 3_000))
    log_clean(START + 3 * DAY + 30 * HOUR, 1_800, 18 * HOUR)
    seal(services.database, eventlog.lake.uri, model.id, owner="w")
    count_references(services.database, eventlog.lake, threading.Event(), turn_s=60)
    log_clean(START + 5 * DAY, 1_200, 12 * HOUR)
    log_clean(START + 5.5 * DAY, 600, 6 * HOUR, in_age=np.where(rng.random(600) < 0.6, np.nan, 40.0))
    log_clean(START + 5.75 * DAY, 600, 6 * HOUR)
    return scientist


END = START + 6 * DAY
#: As the API stores it.
WISH: dict[str, Any] = {
    "name": "drift", "model": "loans", "measure": "drift", "window_s": 21_600, "every_s": 3600, "offset_s": 0,
    "condition": {"kind": "drift"}, "hold_s": 3600, "clear_s": 7200,
}  # fmt: skip


@on_sqlite
def test_a_drift_rule_tried_on_the_past_raises_exactly_what_the_live_run_raised(
    history: Client, app: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live: runs that know one window more, and runs after a stop that know eleven. Tried: one fold over all."""
    services = app.app.state.services  # type: ignore[attr-defined]
    rule = history.alerts.create_rule(RuleIn(**WISH))
    evaluator = AlertEvaluator(
        services.database,
        services.eventlog,
        "w",
        give_up_hours=1,
        drift=drift_judge(services.database, services.eventlog),
    )
    first = START + 2 * DAY + HOUR
    evaluator.run(first)
    for place in range(11, int((END - first) / HOUR) + 1, 12):
        evaluator.run(first + (place - 1) * HOUR)
        evaluator.run(first + place * HOUR)
    monkeypatch.setattr(alerts_router, "utc_now", lambda: END)
    tried = history.alerts.try_rule(RuleIn(**WISH), days=4)
    live = history.alerts.incidents(rule_id=rule.id, limit=1000).items
    mine = [(one.series, one.opened_at, one.closed_at, one.peak, one.reason, one.window_end) for one in tried.raised]
    theirs = [(one.series, one.opened_at, one.closed_at, one.peak, one.reason, one.window_end) for one in live]
    assert sorted(mine, key=str) == sorted(theirs, key=str)
    assert [(series, reason) for series, _, _, _, reason, _ in mine] == [("in_income", "shift"), ("in_age", "missing")]
    income, age = tried.raised
    planted = START + 3 * DAY
    assert planted + 2 * HOUR <= income.opened_at <= planted + 6 * HOUR  # two windows must say so: it has to hold
    assert income.closed_at is not None
    assert planted + 30 * HOUR < income.closed_at <= planted + 40 * HOUR
    assert planted + 2.5 * DAY < age.opened_at <= planted + 2.5 * DAY + 3 * HOUR
    assert (tried.measure, tried.n_incidents) == ("drift", 2)
    assert {line.series for line in tried.lines[:2]} == {"in_income", "in_age"}
    assert (
        history.alerts.try_rule(RuleIn(**WISH | {"condition": {"kind": "drift", "features": ["score"]}}), days=4).raised
        == []
    )


@on_sqlite
def test_many_windows_at_once_have_the_verdicts_of_each_window_alone(
    history: Client, app: TestClient, model: Model
) -> None:
    """One reading of all hours gives what the report of each window says, of one segment and of a version too."""
    services = app.app.state.services  # type: ignore[attr-defined]
    judge = drift_judge(services.database, services.eventlog)
    ends = [START + 3 * DAY + place * 5 * HOUR for place in range(15)]
    for version, segment in ((None, None), ("v1", None), (None, ("line", "L2"))):
        many = judge(model, version, segment, ends, timedelta(hours=9))
        for end, found in zip(ends, many, strict=True):
            alone = service.judge_window(
                services.database, services.eventlog, model, (end - timedelta(hours=9), end),
                version=version, segment=segment, now=END, windows_per_month=720,
            )  # fmt: skip
            expected = {one.feature: (one.verdict, one.reason, one.psi, one.n_current) for one in alone}
            shown = {one.feature: (one.verdict, one.reason, one.psi, one.n) for one in found}
            assert shown == {
                name: (verdict, reason, psi if psi is None else pytest.approx(psi, rel=1e-9), n)
                for name, (verdict, reason, psi, n) in expected.items()
            }
    few = judge(model, None, None, [ends[2]], timedelta(hours=9))
    assert few[0] == judge(model, None, None, ends, timedelta(hours=9))[2]


@on_sqlite
def test_a_window_that_has_begun_is_judged_when_it_is_whole(history: Client, app: TestClient, model: Model) -> None:
    """A rule that looks every five minutes sees the last full hours; a replay would know the rest of the hour."""
    services = app.app.state.services  # type: ignore[attr-defined]
    judge = drift_judge(services.database, services.eventlog)
    noon = START + 3.5 * DAY
    whole, begun = judge(model, None, None, [noon, noon + timedelta(minutes=55)], timedelta(minutes=5))
    assert whole == begun
    assert {one.n for one in whole} == {100}


@on_sqlite
def test_windows_whose_history_is_not_counted_yet_are_no_data(
    history: Client, app: TestClient, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.drift.create_reference(model="loans", start=START, end=START + DAY, name="newer")
    monkeypatch.setattr(alerts_router, "utc_now", lambda: END)
    tried = history.alerts.try_rule(RuleIn(**WISH), days=4)
    assert [one.series for one in tried.raised] == ["in_age"]  # the tail that is not sealed is counted as it is read
    assert tried.share_no_data > 0.75


@on_sqlite
def test_past_weeks_as_reference_move_along_in_a_replay(
    app: TestClient, model: Model, eventlog: EventLog, log_clean: Callable[..., int], sign_in: Callable[..., Client]
) -> None:
    """A daily rhythm that is the same every week is no drift, whatever the number of windows."""
    services = app.app.state.services  # type: ignore[attr-defined]
    rng = np.random.default_rng(3)
    start = utc_now().replace(hour=0, minute=0, second=0, microsecond=0) - 15 * DAY
    for week in range(3):
        for half, mean in ((0, 30.0), (1, 60.0)):
            at = start + week * 7 * DAY + half * 12 * HOUR
            log_clean(at, 600, 12 * HOUR, in_age=rng.normal(mean, 5, 600))
    seal(services.database, eventlog.lake.uri, model.id, owner="w")
    sign_in("data_scientist").drift.create_reference(model="loans", kind="weeks", weeks=2)
    count_references(services.database, eventlog.lake, threading.Event(), turn_s=60)
    judge = drift_judge(services.database, eventlog)
    ends = [start + 14 * DAY + place * HOUR for place in range(12, 25)]
    many = judge(model, None, None, ends, 12 * HOUR)
    assert all(one.verdict != "drifted" for window in many for one in window)
    assert many[0] == judge(model, None, None, ends[:1], 12 * HOUR)[0]
    age = next(one for one in many[0] if one.feature == "in_age")
    assert (age.verdict, age.n) == ("ok", 600)


@on_sqlite
def test_a_drift_rule_is_not_one_per_version(history: Client) -> None:
    with pytest.raises(ApiError) as refused:
        history.alerts.create_rule(RuleIn(**WISH | {"each": "version"}))
    assert refused.value.status == 422
    assert history.alerts.create_rule(RuleIn(**WISH | {"measure": "error_rate"})).measure == "drift"

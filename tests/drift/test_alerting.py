"""An alert rule on drift, judged by the drift slice itself as the worker does."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from fastapi.testclient import TestClient

from backend.client import Client
from backend.worker.alerts import AlertEvaluator
from backend.worker.drift_judge import drift_judge
from backend.worker.references import count_references
from db.eventlog.log import EventLog
from db.eventlog.seal import seal
from db.models.alert import AlertIncident, AlertRule
from db.models.model import Model
from db.repositories import alert_rules
from tests.conftest import on_sqlite
from tests.drift.conftest import DAY, START


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

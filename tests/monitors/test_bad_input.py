"""One model with a column of every bad kind, asked everywhere: each column has a status, and none harms another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from backend.client import ApiError, Client
from backend.drift.judge import drift_judge
from backend.worker.alerts import AlertEvaluator
from backend.worker.references import count_references
from db.analytics.catalog import MEASURES
from db.eventlog.seal import seal
from db.models.alert import AlertIncident, AlertRule, AlertState
from db.models.model import Model
from db.repositories import alert_rules
from tests.conftest import on_sqlite
from tests.drift.conftest import DAY, HOUR, START, make_events

N_CATEGORIES = 10_000
LATER = START + DAY
NUMBERS = ("constant", "all_null", "infinite", "mostly_infinite", "huge", "tiny", "sound", "broken")
TEXTS = ("null_text", "one_text", "many_texts", "flood")
Columns = dict[str, Any]


def columns_of(n: int, seed: int) -> Columns:
    """Values of n rows, the same in law for every seed: nothing drifts."""
    rng = np.random.default_rng(seed)
    wild = rng.normal(size=n)
    wild[: n // 2] = np.inf
    wild[0] = -np.inf
    numbers = {
        "constant": np.full(n, 5.0),
        "all_null": pa.nulls(n, pa.float64()),
        "infinite": np.full(n, np.inf),
        "mostly_infinite": rng.permutation(wild),
        "huge": rng.choice([1.7e308, -1.7e308], n),
        "tiny": np.full(n, 5e-324),
        "sound": rng.normal(size=n),
        "broken": rng.normal(size=n),
    }
    texts = {
        "null_text": pa.nulls(n, pa.string()),
        "one_text": ["only"] * n,
        "many_texts": np.char.add("part-", rng.integers(0, N_CATEGORIES, n).astype(str)),
        "flood": rng.choice(["a", "b", "c"], n),
    }
    others = {"score": rng.beta(5, 2, n), "prediction": rng.choice(["ok", "bad"], n, p=[0.9, 0.1])}
    return {f"in_{name}": values for name, values in {**numbers, **texts}.items()} | others


@pytest.fixture
def odd(app: TestClient, sign_in: Callable[..., Client]) -> tuple[Client, Callable[..., None], Any, Model]:
    """A day of the model "odd" with 12,000 rows as its reference; `log` adds rows with changed columns."""
    services = app.app.state.services  # type: ignore[attr-defined]
    fields = [{"name": name, "type": "number"} for name in NUMBERS]
    fields += [{"name": name, "type": "string"} for name in TEXTS]
    labels = [{"name": "ok"}, {"name": "bad", "is_defect": True}]
    with services.database.write() as session:
        model = Model(name="odd", item_kind="tabular", labels=labels, inputs=fields, segment_keys=["line"])
        session.add(model)
    eventlog = services.eventlog

    def log(at: datetime, n: int, span: timedelta = DAY, **changes: Any) -> None:
        columns = {**columns_of(n, n), **changes}
        assert eventlog.append(model.id, make_events(eventlog.models.by_id(model.id), columns, at, span)).n_new == n

    log(START, 12_000)
    seal(services.database, eventlog.lake.uri, model.id, owner="w")
    client = sign_in("data_scientist")
    client.drift.create_reference(model="odd", start=START, end=LATER)
    count_references(services.database, eventlog.lake, threading.Event(), turn_s=60)
    return client, log, services, model


def broken(n: int) -> Columns:
    """What a break looks like: a number moved by two sigma, and 10,000 names where there were three."""
    rng = np.random.default_rng(99)
    flood = np.char.add("x-", np.arange(n).astype(str))
    return {"in_broken": rng.normal(2, 1, n), "in_flood": flood}


@on_sqlite
def test_odd_columns_have_a_status_everywhere_and_what_broke_is_named(odd: Any) -> None:
    client, log, services, model = odd
    log(LATER, 3_000, **broken(3_000))
    span = (LATER, LATER + DAY)
    report = client.drift.report("odd", *span)
    found = {one.feature: one for one in report.features}
    assert set(found) == {f"in_{name}" for name in (*NUMBERS, *TEXTS)} | {"score", "prediction"}
    drifted = {name: one.reason for name, one in found.items() if one.verdict == "drifted"}
    assert drifted == {"in_broken": "shift", "in_flood": "new_category"}
    assert {one.verdict for one in found.values()} == {"ok", "drifted"}
    assert found["in_all_null"].null_rate_current == found["in_null_text"].null_rate_current == 1
    lines = client.drift.series("odd", START, LATER + DAY, grain_s=86_400).features
    assert [line.feature for line in lines if "drifted" in line.verdict[1:]] == ["in_broken", "in_flood"]
    for name in found:
        detail = client.drift.feature("odd", name, *span)
        assert sum(bar.current for bar in detail.bins) in (pytest.approx(1), pytest.approx(3_000)), name
        assert client.drift.examples("odd", name, *span, limit=3).feature == name
    together = client.drift.together("odd", *span)
    assert together.auc > 0.9
    assert together.mmd2_p < 0.05
    assert client.performance.slices("odd", *span).slices == []
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
    judge = drift_judge(services.database, services.eventlog)
    AlertEvaluator(services.database, services.eventlog, "w", give_up_hours=1, drift=judge).run(LATER + DAY)
    with services.database.read() as session:
        fired = {row.series: row.reason for row in session.query(AlertIncident) if row.rule["name"] == "drift"}
        failed = [row.series for row in session.query(AlertIncident) if row.kind == "evaluation"]
        states = {row.series: row.state for row in session.query(AlertState) if row.series in found}
    assert (fired, failed) == (drifted, [])
    assert {name: state for name, state in states.items() if state != "ok"} == dict.fromkeys(drifted, "alert")


@on_sqlite
def test_every_measure_of_odd_columns_is_a_finite_number_or_none(odd: Any) -> None:
    """JSON has no infinity: an answer that holds one cannot be read. Roll-ups, rows and splits give the same."""
    client, log, _, _ = odd
    log(LATER, 500, **broken(500))
    for measure in MEASURES:
        if measure.source == "processes":
            continue
        series = client.monitors.series("odd", measure.name, START, LATER + DAY, grain_s=86_400)
        for line in series.lines:
            assert all(value is None or np.isfinite(value) for value in line.value), (measure.name, line.name)
        rows = ["version=v1"] if measure.source in ("rollups", "cells", None) else []
        client.monitors.series("odd", measure.name, START, LATER + DAY, grain_s=86_400, where=rows or None)


@on_sqlite
@pytest.mark.parametrize("n", [0, 1])
def test_a_window_of_one_row_or_of_none_is_insufficient_for_every_column(odd: Any, n: int) -> None:
    client, log, _, _ = odd
    if n:
        log(LATER, n, HOUR)
    span = (LATER, LATER + HOUR)
    report = client.drift.report("odd", *span)
    assert {one.verdict for one in report.features} == {"insufficient"}
    assert report.n_drifted == 0
    for one in report.features:
        detail = client.drift.feature("odd", one.feature, *span)
        assert detail.feature.verdict == "insufficient"
        client.drift.examples("odd", one.feature, *span)
    assert client.performance.slices("odd", *span).slices == []
    assert client.performance.over_time("odd", *span).n == n
    with pytest.raises(ApiError) as refused:
        client.drift.together("odd", *span)
    assert (refused.value.status, refused.value.code) == (422, "too_few_rows")


@on_sqlite
def test_a_reference_of_one_row_or_of_none_is_refused_and_the_old_one_stays(odd: Any) -> None:
    client, log, _, _ = odd
    log(LATER, 1, HOUR)
    for begin, code in ((LATER, "reference_too_small"), (datetime(2026, 1, 1, tzinfo=UTC), "reference_empty")):
        with pytest.raises(ApiError) as refused:
            client.drift.create_reference(model="odd", start=begin, end=begin + HOUR)
        assert (refused.value.status, refused.value.code) == (422, code)
    assert [(one.number, one.is_current, one.n_rows) for one in client.drift.references("odd")] == [(1, True, 12_000)]

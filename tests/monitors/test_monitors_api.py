"""Measures, series, summary and marks through the API on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from backend.client import ApiError, Client
from db.models.alert import AlertIncident
from db.models.model import Model, ModelVersion, Rollout
from db.models.review import Decision, ReviewTask

START = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def pcb(app: TestClient) -> Model:
    """Two days: the second has more null outputs and slower answers than the first."""
    services = app.app.state.services  # type: ignore[attr-defined]
    with services.database.write() as session:
        model = Model(name="pcb", item_kind="image", labels=[{"name": "ok"}], segment_keys=["line"])
        session.add_all([model, Model(name="quiet", item_kind="text")])
        session.flush()
        session.add(ModelVersion(model_id=model.id, name="v1", kind="external", created_at=START))
        session.add(
            Rollout(model_id=model.id, champion="v1", reason="first", created_by="user:1", created_at=START + DAY / 2)
        )
        for i in range(4):
            session.add(ReviewTask(model_id=model.id, subject_id=f"s{i}", reason="random_audit"))
        session.add(ReviewTask(model_id=model.id, subject_id="s9", reason="disagreement", mode="adjudicate"))
        for i in range(30):
            session.add(Decision(model_id=model.id, subject_id=f"d1-{i}", judge="person:an", label="ok"))
    rows: list[dict[str, Any]] = []
    for day, (latency_ms, null_every) in enumerate(((10.0, 100), (100.0, 2))):
        for i in range(200):
            rows.append(
                {
                    "version": "v1",
                    "subject_id": f"d{day}-{i}",
                    "happened_at": (START + day * DAY + timedelta(minutes=7 * i)).isoformat(),
                    "prediction": None if i % null_every == 0 else "ok",
                    "latency_ms": latency_ms,
                    "segments": {"line": f"L{i % 2}"},
                }
            )
    services.eventlog.log_rows(model, rows)
    return model


def test_catalogue_tells_unit_and_direction(app: TestClient, sign_in: Callable[..., Client]) -> None:
    found = {measure.name: measure for measure in sign_in("viewer").monitors.measures()}
    assert (found["null_output_rate"].unit, found["null_output_rate"].bad) == ("share", "up")
    assert found["latency_p95"].unit == "ms"
    assert found["human_ai_agreement"].bad == "down"


def test_series_has_values_gaps_and_the_period_before(pcb: Model, sign_in: Callable[..., Client]) -> None:
    found = sign_in("viewer").monitors.series(
        "pcb", "null_output_rate", START + DAY, START + 2 * DAY, grain_s=43_200, previous=True
    )
    assert found.bucket_at == [START + DAY, START + 1.5 * DAY]
    assert found.lines[0].value == [pytest.approx(0.5, abs=0.01), pytest.approx(0.5, abs=0.01)]
    assert found.previous is not None
    assert sum(found.previous[0].n) == 200
    assert found.previous[0].value[0] == pytest.approx(2 / 103, abs=0.01)
    later = sign_in("viewer").monitors.series("pcb", "null_output_rate", START + 9 * DAY, START + 10 * DAY)
    assert set(later.lines[0].value) == {None}


def test_series_splits_and_filters(pcb: Model, sign_in: Callable[..., Client]) -> None:
    client = sign_in("viewer").monitors
    by_line = client.series("pcb", "requests", START, START + DAY, grain_s=86_400, split="segment:line")
    assert [(line.name, line.value) for line in by_line.lines] == [("L0", [100.0]), ("L1", [100.0])]
    one = client.series("pcb", "requests", START, START + DAY, grain_s=86_400, segments={"line": "L1"})
    assert one.lines[0].value == [100.0]
    assert one.source == "rollups"
    free = client.series("pcb", "requests", START, START + 2 * DAY, grain_s=86_400, where=["latency_ms>50"])
    assert free.lines[0].value == [0.0, 200.0]
    assert free.source == "rows"


NONSENSE = [
    ({"measure": "beauty"}, 404),
    ({"model": "other"}, 404),
    ({"split": "colour"}, 422),
    ({"segment": "colour=red"}, 422),
    ({"segment": "line"}, 422),
    ({"where": "nonsense<1"}, 422),
    ({"grain_s": "7"}, 422),
    ({"grain_s": "301"}, 422),
    ({"end": START.isoformat()}, 422),
    ({"start": "2026-05-01T00:00:00"}, 422),
    ({"start": "soon"}, 422),
    ({"where": "latency_ms<abc"}, 422),
    ({"where": "is_cached=3"}, 422),
    ({"where": "happened_at>2026-05-01"}, 422),
    ({"where": "artifacts=a"}, 422),
]


def test_series_that_make_no_sense_are_refused(pcb: Model, sign_in: Callable[..., Client]) -> None:
    asked = {"model": "pcb", "measure": "requests", "start": START.isoformat(), "end": (START + DAY).isoformat()}
    client = sign_in("viewer")
    for options, status in NONSENSE:
        with pytest.raises(ApiError) as refused:
            client.transport.request("GET", "/v1/monitors/series", params=asked | options)
        assert refused.value.status == status, options


def test_summary_says_who_is_not_well_and_why(app: TestClient, pcb: Model, sign_in: Callable[..., Client]) -> None:
    with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
        facts = {"name": "nulls", "measure": "null_output_rate"}
        times = {"opened_at": START, "window_start": START, "window_end": START + DAY}
        common = {"rule_id": "r", "model_id": pcb.id, "series": "", "rule": facts, **times}
        session.add(AlertIncident(number=1, state="warning", closed_at=START + DAY, **common))
        session.add(AlertIncident(number=2, state="alert", peak=0.5, **common))
    model = sign_in("viewer").monitors.summary(START + DAY, START + 2 * DAY).models[0]
    assert model.state == "bad"
    assert [(one.rule_name, one.value, one.unit, one.state) for one in model.reasons] == [
        ("nulls", 0.5, "share", "bad")
    ]


def test_summary_has_every_models_figures_against_the_period_before(pcb: Model, sign_in: Callable[..., Client]) -> None:
    found = sign_in("viewer").monitors.summary(START + DAY, START + 2 * DAY)
    by_name = {model.model: model for model in found.models}
    assert by_name["quiet"].state == "no_data"
    model = by_name["pcb"]
    assert (model.state, model.reasons) == ("ok", [])
    assert (model.events.value, model.events.previous) == (200, 200)
    assert model.null_output_rate.value == 0.5
    assert model.null_output_rate.previous == 0.01
    assert model.latency_p95.value == pytest.approx(100, rel=0.01)
    assert (model.waiting_tasks, model.waiting_adjudications) == (4, 1)
    assert (model.champion, model.automation_level) == ("v1", "shadow")
    assert (model.human_ai_agreement.n, model.human_ai_agreement.value) == (30, 0.5)
    assert model.human_ai_agreement.lower is not None


def test_summary_counts_no_shadow_answers(app: TestClient, pcb: Model, sign_in: Callable[..., Client]) -> None:
    shadow = {"version": "v2", "role": "shadow", "happened_at": (START + 1.5 * DAY).isoformat(), "prediction": "ok"}
    app.app.state.services.eventlog.log_rows(pcb, [shadow] * 50)  # type: ignore[attr-defined]
    found = sign_in("viewer").monitors.summary(START + DAY, START + 2 * DAY)
    assert found.models[0].events.value == 200


def test_marks_are_rollouts_and_versions_in_the_window(pcb: Model, sign_in: Callable[..., Client]) -> None:
    marks = sign_in("viewer").monitors.marks("pcb", START, START + DAY)
    assert [(mark.kind, mark.name, mark.reason) for mark in marks] == [
        ("version", "v1", ""),
        ("rollout", "v1", "first"),
    ]
    assert sign_in("viewer").monitors.marks("pcb", START + DAY, START + 2 * DAY) == []

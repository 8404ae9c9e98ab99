"""Ingestion health through the API on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient

from backend.client import ApiError, Client
from db.base import utc_now
from db.eventlog.seal import seal
from db.models.event_log import IngestionCount, SchemaNotice
from db.models.model import Model

START = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def pcb(app: TestClient) -> Model:
    with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
        model = Model(name="pcb", item_kind="image", is_schema_locked=True)
        session.add(model)
        session.flush()
        for minute, reason, n in ((0, "accepted", 10), (4, "accepted", 5), (4, "duplicate", 2), (6, "type", 3)):
            session.add(
                IngestionCount(model_name="pcb", minute_at=START + timedelta(minutes=minute), reason=reason, n_events=n)
            )
        session.add(IngestionCount(model_name="ghost", minute_at=START, reason="unknown_model", n_events=7))
        session.add(SchemaNotice(model_id=model.id, field="x", change="new_field"))
    return model


def test_counts_fall_into_their_buckets_and_reasons(pcb: Model, sign_in: Callable[..., Client]) -> None:
    found = sign_in("viewer").ingestion.health(START, START + timedelta(minutes=15))
    assert found.grain_s == 300
    assert found.series.accepted == [15, 0, 0]
    assert found.series.duplicates == [2, 0, 0]
    assert found.series.refused == {"type": [0, 3, 0], "unknown_model": [7, 0, 0]}
    by_name = {model.model: model for model in found.models}
    assert by_name["pcb"].refused == {"type": 3}
    assert (by_name["pcb"].accepted, by_name["pcb"].duplicates, by_name["pcb"].open_notices) == (15, 2, 1)
    assert not by_name["ghost"].known


@pytest.mark.parametrize("grain_s", [300, 3_600, 86_400])
def test_counts_add_up_at_every_grain(pcb: Model, sign_in: Callable[..., Client], grain_s: int) -> None:
    found = sign_in("viewer").ingestion.health(START - timedelta(days=1), START + timedelta(days=1), grain_s=grain_s)
    assert sum(found.series.accepted) == 15
    assert found.series.accepted[found.series.bucket_at.index(START)] == 15


def test_one_model_shows_nothing_of_the_others(pcb: Model, sign_in: Callable[..., Client]) -> None:
    found = sign_in("viewer").ingestion.health(START, START + timedelta(minutes=15), model="pcb")
    assert [model.model for model in found.models] == ["pcb"]
    assert "unknown_model" not in found.series.refused


def test_hot_events_and_the_sealed_history_are_told_apart(
    app: TestClient, pcb: Model, sign_in: Callable[..., Client]
) -> None:
    services = app.app.state.services  # type: ignore[attr-defined]
    services.eventlog.log_rows(pcb, [{"version": "v1", "prediction": "ok"}] * 5)
    now = utc_now()
    hot = sign_in("viewer").ingestion.health(START, START + timedelta(hours=1), model="pcb").models[0]
    assert (hot.hot_events, hot.lake_events, hot.last_seal_at) == (5, 0, None)
    assert hot.oldest_hot_age_s is not None
    assert 0 <= hot.oldest_hot_age_s < 60
    assert seal(services.database, services.eventlog.lake.uri, pcb.id, owner="test") == 5
    services.eventlog.log_rows(pcb, [{"version": "v1", "prediction": "ok"}] * 2)
    sealed = sign_in("viewer").ingestion.health(START, START + timedelta(hours=1), model="pcb").models[0]
    assert (sealed.hot_events, sealed.lake_events, sealed.last_seal_events, sealed.lake_files) == (2, 5, 5, 1)
    assert sealed.last_seal_at is not None
    assert sealed.last_seal_at >= now
    assert sealed.bytes_per_event == sealed.lake_bytes / 5 > 0


def test_a_range_that_cannot_be_drawn_is_refused(pcb: Model, sign_in: Callable[..., Client]) -> None:
    with pytest.raises(ApiError) as refused:
        sign_in("viewer").ingestion.health(START, START)
    assert refused.value.status == 422

"""Vectors in and drift out, on both databases; a run of our own encoder over real files."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from backend.client import ApiError, Client
from backend.embeddings import run, service
from backend.embeddings.schemas import ItemVector
from backend.services import Services
from db.base import new_id, utc_now
from db.models.learn import Job
from db.models.model import Model
from tests.conftest import on_sqlite

START = datetime(2026, 5, 4, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def services(app: TestClient) -> Services:
    found: Services = app.app.state.services  # type: ignore[attr-defined]
    return found


@pytest.fixture
def model(services: Services) -> Model:
    with services.database.write() as session:
        made = Model(name="boards", item_kind="image", labels=[{"name": "ok"}, {"name": "bad", "is_defect": True}])
        session.add(made)
    return made


def vectors(n: int, start: datetime, shift: float, seed: int) -> list[ItemVector]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, 8))
    rows[:, 0] += shift
    return [
        ItemVector(event_id=f"{seed}-{i}", happened_at=start + 10 * DAY * i / n, vector=row.tolist())
        for i, row in enumerate(rows)
    ]


def test_drift_of_sent_vectors_is_found_with_examples_and_its_course(
    model: Model, sign_in: Callable[..., Client]
) -> None:
    client = sign_in("data_scientist").embeddings
    client.send("boards", "mine", vectors(150, START, 0.0, 1) + vectors(150, START + 10 * DAY, 1.2, 2))
    (encoder,) = client.encoders("boards")
    assert (encoder.encoder, encoder.n, encoder.n_dims) == ("mine", 300, 8)
    found = client.drift("boards", START + 10 * DAY, START + 20 * DAY)
    assert (found.verdict, found.n_used_window, found.n_used_reference) == ("drifted", 150, 150)
    by_name = {test.name: test for test in found.tests}
    assert by_name["classifier"].statistic == pytest.approx(0.80, abs=0.06)
    assert found.shift_sigma == pytest.approx(1.2, abs=0.3)
    assert by_name["mmd"].p == 0.002
    assert sum(point.n for point in found.points) == 150
    sides = [example.side for example in found.examples]
    assert sides.count("window") == sides.count("reference") == 8
    assert all(example.event_id.startswith("2-") for example in found.examples[:8] if example.event_id)
    calm = client.drift("boards", START + 5 * DAY, START + 10 * DAY, reference=(START, START + 5 * DAY))
    assert calm.verdict == "ok"


def test_items_that_cannot_be_placed_are_refused_one_by_one(
    services: Services, model: Model, sign_in: Callable[..., Client]
) -> None:
    services.eventlog.log_rows(
        model, [{"id": "e1", "version": "v1", "happened_at": START.isoformat(), "prediction": "ok"}]
    )
    client = sign_in("data_scientist").embeddings
    picture = sign_in("data_scientist").artifacts.upload(png(3), "image/png").sha256
    stored = client.send(
        "boards",
        "mine",
        [
            ItemVector(event_id="e1", vector=[1, 2, 3]),
            ItemVector(event_id="unknown", vector=[1, 2, 3]),
            ItemVector(event_id="later", happened_at=START, vector=[1, 2, 3]),
            ItemVector(artifact=picture, vector=[1, 2, 3]),
            ItemVector(event_id="e1", vector=[1, 2]),
        ],
    )
    assert stored.n_stored == 3
    assert [(one.index, one.code) for one in stored.refused] == [(1, "unknown_item"), (4, "other_length")]
    assert client.send("boards", "mine", [ItemVector(event_id="e1", vector=[4, 5, 6])]).n_stored == 1
    assert client.encoders("boards")[0].n == 3
    found = client.drift("boards", START, START + DAY)
    assert (found.verdict, found.tests, found.n_needed) == ("insufficient", [], 20)


def test_requests_that_make_no_sense_are_refused(model: Model, sign_in: Callable[..., Client]) -> None:
    client = sign_in("data_scientist")
    assert client.embeddings.drift("boards", START, START + DAY).encoder is None
    bad: list[dict[str, Any]] = [
        {"encoder": "soi:image-1", "items": [{"event_id": "e", "vector": [1, 2]}]},
        {"encoder": "mine", "items": [{"vector": [1, 2]}]},
        {"encoder": "mine", "items": [{"event_id": "e", "vector": [1]}]},
        {"encoder": "mine", "items": [{"event_id": "e", "vector": [1e200, 2]}]},
        {"encoder": "mine", "items": []},
    ]
    for body in bad:
        with pytest.raises(ApiError) as refused:
            client.transport.request("POST", "/v1/embeddings", json={"model": "boards", **body})
        assert refused.value.status == 422
    for options in ({"end": START}, {"encoder": "other"}):
        asked: dict[str, Any] = {"model": "boards", "start": START, "end": START + DAY} | options
        with pytest.raises(ApiError) as refused:
            client.embeddings.drift(**asked)
        assert refused.value.status == 422


def test_runs_are_queued_once_and_by_the_worker_once_a_day(
    services: Services, model: Model, sign_in: Callable[..., Client]
) -> None:
    client = sign_in("data_scientist").embeddings
    first, second = client.run("boards", per_day=5), client.run("boards", per_day=5)
    assert first.job["id"] == second.job["id"]
    with services.database.write() as session:
        quiet = Model(name="quiet", item_kind="audio")
        busy, table = Model(name="busy", item_kind="text"), Model(name="table", item_kind="tabular")
        session.add_all([quiet, busy, table])
    services.eventlog.log_rows(busy, [{"version": "v1", "happened_at": utc_now().isoformat(), "prediction": "a"}])
    assert service.queue_due(services.database, 0) == 0
    assert service.queue_due(services.database, 50) == 1
    assert service.queue_due(services.database, 50) == 0
    with pytest.raises(ApiError) as refused:
        client.run("table")
    assert refused.value.status == 422


class Told:
    """A watch that remembers what it was told."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def tell(self, fraction: float, step: str = "") -> None:
        assert 0 <= fraction <= 1

    def message(self, text: str) -> None:
        self.messages.append(text)

    def check(self) -> None:
        return


def png(seed: int, light: int = 120) -> bytes:
    rng = np.random.default_rng(seed)
    pixels = np.clip(rng.normal(light, 30, (48, 64, 3)), 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@on_sqlite
def test_a_run_encodes_what_has_no_vector_and_a_dimmed_lamp_is_drift(
    services: Services, model: Model, sign_in: Callable[..., Client]
) -> None:
    pytest.importorskip("torch")
    now = utc_now()
    events = []
    for i in range(50):
        is_dim = i >= 25
        sha256 = services.artifacts.put(png(i, 70 if is_dim else 120))
        at = now - timedelta(days=1 if is_dim else 3, minutes=i)
        events.append(
            {"id": f"e{i}", "version": "v1", "happened_at": at.isoformat(), "prediction": "ok", "artifacts": [sha256]}
        )
    events.append(events[0] | {"id": "again"})
    events.append(events[0] | {"id": "broken", "artifacts": [services.artifacts.put(b"no picture")]})
    events.append(events[0] | {"id": "absent", "artifacts": ["0" * 64]})
    services.eventlog.log_rows(model, events)
    watch = Told()
    job = Job(id=new_id(), kind="embedding", model_id=model.id, parameters={"days": 5, "per_day": 100}, created_by="t")
    result = run.encode_items(services.database, services.settings, job, watch)
    assert (result["n_items"], result["n_encoded"]) == (53, 50)
    assert result["left_out"] == {"broken_file": 1, "missing_file": 1}
    again = run.encode_items(services.database, services.settings, job, watch)
    assert again["n_encoded"] == 0
    client = sign_in("viewer").embeddings
    assert [(one.encoder, one.n) for one in client.encoders("boards")] == [("soi:image-1", 51)]
    found = client.drift("boards", now - 2 * DAY, now, reference=(now - 5 * DAY, now - 2 * DAY))
    assert found.verdict == "drifted"
    assert found.examples[0].artifact is not None


def test_the_choice_per_day_is_repeatable_and_bounded(services: Services, model: Model) -> None:
    events = [
        {
            "id": f"e{i}",
            "version": "v1",
            "role": "shadow" if i % 5 == 0 else "champion",
            "happened_at": (START + DAY * i / 40).isoformat(),
            "prediction": "ok",
            "artifacts": [f"{i:064x}"],
        }
        for i in range(80)
    ]
    services.eventlog.log_rows(model, events)
    uri = services.settings.lake_uri
    first, second = (run.choose_items(services.database, uri, model, START, START + 2 * DAY, 7) for _ in range(2))
    assert first == second
    assert len(first) == 14
    assert not any(int(one.event_id[1:]) % 5 == 0 for one in first)

"""Answers whose input lies where its share has grown are picked at the rate of their stratum, others are not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from backend.client import Client
from backend.review_policies import situation
from backend.services import Services
from backend.worker.references import count_references
from backend.worker.triage import triage
from db.base import utc_now
from db.eventlog.seal import seal
from db.repositories.models import find_model

DAY = timedelta(days=1)


@pytest.fixture
def kilns(soi: Services, sign_in: Callable[..., Client]) -> Client:
    """Temperatures around 40 for five days, then half of them around 80."""
    client = sign_in("data_scientist", "manager")
    inputs = [{"name": "temperature", "type": "number"}]
    client.models.create(name="kilns", item_kind="tabular", labels=[{"name": "ok"}, {"name": "bad"}], inputs=inputs)
    client.review_policies.declare("kilns", reason="drift", epsilon=1e-9, rates={"drifted_bin": 1.0})
    return client


def log(soi: Services, name: str, degrees: np.ndarray, start: object, span: timedelta) -> None:
    with soi.database.read() as session:
        model = find_model(session, "kilns")
    assert model is not None
    rows = [
        {
            "version": "v1",
            "prediction": "ok",
            "score": 0.99,
            "subject_id": f"{name}-{k}",
            "inputs": {"temperature": float(value)},
            "happened_at": (start + span * k / len(degrees)).isoformat(),  # type: ignore[operator]
        }
        for k, value in enumerate(degrees)
    ]
    for first in range(0, len(rows), 1000):
        soi.eventlog.log_rows(model, rows[first : first + 1000])


def test_only_items_in_the_grown_bins_are_picked_and_the_preview_agrees(soi: Services, kilns: Client) -> None:
    rng, now = np.random.default_rng(3), utc_now()
    noon = now.replace(minute=0, second=0, microsecond=0)
    log(soi, "past", rng.normal(40, 3, 3_000), noon - 7 * DAY, 5 * DAY)
    with soi.database.read() as session:
        model = find_model(session, "kilns")
    assert model is not None
    triage(soi.database, soi.eventlog, model, now)
    assert kilns.review_tasks.list("kilns") == []  # without a reference nothing drifts
    seal(soi.database, soi.eventlog.lake.uri, model.id, owner="w")
    kilns.drift.create_reference(model="kilns", start=noon - 7 * DAY, end=noon - 2 * DAY, name="spring")
    count_references(soi.database, soi.eventlog.lake, threading.Event(), turn_s=60)
    degrees = np.where(np.arange(800) % 2 == 0, rng.normal(40, 3, 800), rng.normal(80, 3, 800))
    log(soi, "new", degrees, noon - timedelta(hours=10), timedelta(hours=9))
    situation._grown.clear()
    triage(soi.database, soi.eventlog, model, now)
    tasks = kilns.review_tasks.list("kilns", limit=1000)
    picked = {int(task.subject_id.removeprefix("new-")) for task in tasks}
    hot = {k for k in range(800) if degrees[k] > 60}
    assert {task.reason for task in tasks} == {"drifted_bin"}
    assert hot <= picked
    # The uppermost tenth of the reference, above 40 + 1.28 * 3, is one bin with what came beyond it.
    assert all(degrees[k] > 43.3 for k in picked - hot)
    assert len(picked - hot) < 60
    assert {task.pi for task in tasks} == {1.0}
    seen = kilns.review_policies.preview("kilns", epsilon=1e-9, rates={"drifted_bin": 1.0})
    assert round(seen.proposed.by_reason["drifted_bin"] * 7) == len(picked)

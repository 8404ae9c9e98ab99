"""A model of boards, its manager, and ways to log answers and let triage see them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from backend.client import Client
from backend.services import Services
from backend.worker.triage import TriageResult, triage
from db.base import utc_now
from db.models.model import Model
from db.repositories.models import find_model

LABELS = [{"name": "ok"}, {"name": "open", "is_defect": True}, {"name": "short", "is_defect": True}]


@pytest.fixture
def soi(app: TestClient) -> Services:
    services: Services = app.app.state.services  # type: ignore[attr-defined]
    return services


@pytest.fixture
def manager(sign_in: Callable[..., Client]) -> Client:
    client = sign_in("data_scientist", "manager")
    client.models.create(name="boards", item_kind="tabular", labels=LABELS, segment_keys=["line"])
    return client


def model_row(soi: Services) -> Model:
    with soi.database.read() as session:
        found = find_model(session, "boards")
    assert found is not None
    return found


def log(soi: Services, rows: list[dict[str, Any]]) -> None:
    """Answers; what a row leaves out is a sure "ok" of version v1, now."""
    now = utc_now().isoformat()
    usual = {"version": "v1", "prediction": "ok", "score": 0.99, "happened_at": now}
    made = [{**usual, **row} for row in rows]
    sent = [{name: value for name, value in row.items() if value is not None} for row in made]
    assert soi.eventlog.log_rows(model_row(soi), sent).n_new == len(rows)


def look(soi: Services, now: datetime | None = None) -> TriageResult:
    """One run of triage."""
    return triage(soi.database, soi.eventlog, model_row(soi), now or utc_now())


def back(**ago: float) -> datetime:
    """A moment so long ago."""
    return utc_now() - timedelta(**ago)

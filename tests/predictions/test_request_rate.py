"""A caller that sends more requests than it may is told when to come back, and the refusal is counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from backend.main import create_app
from backend.settings import Settings
from db.engine import Database
from db.models.event_log import IngestionCount
from tests.conftest import add_session


@pytest.fixture
def limited(settings: Settings) -> Iterator[TestClient]:
    few = settings.model_copy(update={"log_requests_per_minute": 3})
    with TestClient(create_app(few), base_url=settings.public_url) as client:
        yield client


def headers(client: TestClient, name: str) -> dict[str, str]:
    token = add_session(client.app.state.services.database, "data_scientist", name)  # type: ignore[attr-defined]
    return {"Authorization": f"Bearer {token}"}


def test_one_request_too_many_is_429_with_retry_after_and_others_go_on(limited: TestClient, database: Database) -> None:
    lan, minh = headers(limited, "lan"), headers(limited, "minh")
    made = limited.post("/v1/models", json={"name": "m", "item_kind": "tabular", "output_kind": "text"}, headers=lan)
    assert made.status_code == 201, made.text

    def log(who: dict[str, str]) -> Any:
        return limited.post("/v1/predictions?model=m", json={"version": "1", "prediction": "a"}, headers=who)

    answers = [log(lan) for _ in range(8)]
    statuses = [answer.status_code for answer in answers]
    refused = [answer for answer in answers if answer.status_code == 429]
    # A clock minute may turn in between: then the caller has its share a second time.
    assert statuses.count(201) in (3, 6)
    assert len(refused) == 8 - statuses.count(201)
    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)
    assert refused[0].json()["error"]["code"] == "too_many_requests"
    assert log(minh).status_code == 201
    with database.read() as session:
        rows = session.scalars(select(IngestionCount).where(IngestionCount.reason == "too_many_requests"))
        assert sum(row.n_events for row in rows) == len(refused)

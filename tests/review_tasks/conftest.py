"""A model with subjects whose champion answered, and inspectors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from backend.client import Client
from backend.models.schemas import ModelCreate
from backend.review_tasks.schemas import OpenBody
from db.engine import Database
from db.models.model import Model
from db.repositories.models import find_model
from db.repositories.subjects import upsert_subjects

LABELS = [{"name": "ok"}, {"name": "open", "is_defect": True}, {"name": "short", "is_defect": True}]


@pytest.fixture
def database_of_app(app: TestClient) -> Database:
    database: Database = app.app.state.services.database  # type: ignore[attr-defined]
    return database


@pytest.fixture
def boards(sign_in: Callable[..., Client]) -> str:
    """The name of a registered model."""
    body = {"name": "boards", "item_kind": "image", "output_kind": "label", "labels": LABELS}
    sign_in("data_scientist", "manager").models.create(ModelCreate.model_validate(body))
    return "boards"


def model_row(database: Database) -> Model:
    with database.read() as session:
        found = find_model(session, "boards")
    assert found is not None
    return found


def add_subjects(database: Database, answers: dict[str, str | None]) -> None:
    """Subjects with what the champion said about them."""
    model_id = model_row(database).id
    rows = [
        {
            "model_id": model_id,
            "subject_id": subject_id,
            "artifact_sha256": "a" * 64,
            "golden_sha256": "b" * 64,
            "segments": {"line": "L1"},
            "details": {"champion": {"version": "v1", "prediction": label, "score": 0.9, "event_id": "e"}},
        }
        for subject_id, label in answers.items()
    ]
    with database.write() as session:
        upsert_subjects(session, rows)


@pytest.fixture
def queue(boards: str, database_of_app: Database, sign_in: Callable[..., Client]) -> Callable[..., list[str]]:
    """queue(4, mode="blind") puts four boards, all called "ok" by the champion, into the queue."""

    def fill(n: int, *, champion: str | None = "ok", prefix: str = "board", **options: object) -> list[str]:
        names = [f"{prefix}-{number:03d}" for number in range(n)]
        add_subjects(database_of_app, dict.fromkeys(names, champion))
        wish = {"model": boards, "subject_ids": names, "pi": 0.5, **options}
        opened = sign_in("data_scientist", "manager").review_tasks.open(OpenBody.model_validate(wish))
        assert len(opened.opened) == n
        return names

    return fill

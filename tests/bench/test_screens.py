"""What the review screens compute themselves, and an undo that names its answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from backend.client import ApiError, Client
from backend.ground_truth.schemas import TruthOut
from db.models.model import Model
from db.models.review import ReviewTask, Subject
from review.screens.disagreements import who_was_right
from review.screens.labelled_data import export_url, segments_in

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def truth(label: str, *opinions: tuple[str, str | None]) -> TruthOut:
    said = [{"name": "A", "judge": judge, "label": answer} for judge, answer in opinions]
    return TruthOut(
        id="1",
        subject_id="s",
        label=label,
        method="adjudication",
        resolved_by="user:3",
        details={"opinions": said},
        resolved_at=NOON,
        logged_at=NOON,
        is_current=True,
    )


def test_who_was_right_counts_people_and_the_ai_apart_and_leaves_out_unsure() -> None:
    settled = [
        truth("short", ("user:1", "ok"), ("v1", "short")),
        truth("ok", ("user:1", "ok"), ("user:2", None), ("v1", "short")),
        truth("ok", ("person:9", "ok"), ("v1", None)),
    ]
    assert who_was_right(settled) == ((2, 3), (1, 2))


def test_an_export_link_carries_every_filter_of_the_screen() -> None:
    wanted = {"start": NOON, "end": None, "label": ["ok", "short"], "segment": ["line:A"], "disagreement_only": True}
    parts = urlsplit(export_url("export", "pcb", wanted, "csv"))
    assert parts.path == "/v1/labelled-data/export"
    assert parse_qs(parts.query) == {
        "model": ["pcb"],
        "format": ["csv"],
        "start": ["2026-01-01T12:00:00+00:00"],
        "label": ["ok", "short"],
        "segment": ["line:A"],
        "disagreement_only": ["true"],
    }


def test_typed_segments_without_a_value_are_left_out() -> None:
    assert segments_in(" line:A ,, camera:2,x,:,y:") == ["line:A", "camera:2"]
    assert segments_in(None) == []


def test_a_named_undo_sent_again_takes_back_no_further_answer(app: TestClient, sign_in: Callable[..., Client]) -> None:
    with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
        model = Model(name="pcb", item_kind="image", labels=[{"name": "ok"}, {"name": "short", "is_defect": True}])
        session.add(model)
        session.flush()
        for name in ("a", "b"):
            session.add(Subject(model_id=model.id, subject_id=name))
            session.add(ReviewTask(model_id=model.id, subject_id=name, reason="random_audit", pi=0.5))
    api = sign_in("inspector")
    first, second = api.review_tasks.claim("pcb", 2)
    api.review_tasks.decide(first, "ok", idempotency_key="one")
    api.review_tasks.decide(second, "ok", idempotency_key="two")
    wanted = {"model": "pcb", "answer": "one"}
    answers = [api.transport.request("POST", "/v1/review-tasks/undo", json=wanted).json() for _ in range(2)]
    assert [answer["id"] for answer in answers] == [first.id, first.id]
    assert answers[0]["lease_token"] == answers[1]["lease_token"]
    assert api.review_tasks.progress("pcb").done_today == 1
    with pytest.raises(ApiError) as refused:
        api.transport.request("POST", "/v1/review-tasks/undo", json={"model": "pcb", "answer": "never"})
    assert refused.value.code == "nothing_to_undo"


def test_a_claim_of_one_task_gets_that_one(app: TestClient, sign_in: Callable[..., Client]) -> None:
    with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
        model = Model(name="pcb", item_kind="image", labels=[{"name": "ok"}])
        session.add(model)
        session.flush()
        tasks = [
            ReviewTask(model_id=model.id, subject_id=name, reason="random_audit", pi=0.5, priority=number)
            for number, name in enumerate("abc")
        ]
        session.add_all(tasks)
        session.flush()
        wanted = tasks[2].id
    body = {"model": "pcb", "n": 3, "task_ids": [wanted]}
    claimed = sign_in("inspector").transport.request("POST", "/v1/review-tasks/claim", json=body).json()
    assert [task["id"] for task in claimed] == [wanted]

"""Triage of logged events: subjects, tasks with their probabilities, disputes in both orders of arrival."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from backend.client import Client
from backend.decisions.schemas import DecisionIn
from backend.services import Services
from backend.worker import triage as triaging
from backend.worker.triage import TriageResult, triage
from db.base import utc_now
from db.models.model import Model
from db.models.review import Subject
from db.repositories import review_tasks
from db.repositories.models import find_model
from db.repositories.subjects import find_subjects
from review.rules.sampling import unit

SignIn = Callable[..., Client]
LABELS = [{"name": "ok"}, {"name": "open", "is_defect": True}, {"name": "short", "is_defect": True}]
QUIET = {"epsilon": 1e-9, "seed": 1}


@pytest.fixture
def soi(app: TestClient) -> Services:
    services: Services = app.app.state.services  # type: ignore[attr-defined]
    return services


@pytest.fixture
def manager(sign_in: SignIn) -> Client:
    client = sign_in("data_scientist", "manager")
    client.models.create(
        name="boards", item_kind="tabular", labels=LABELS, segment_keys=["line"], settings={"review_policy": QUIET}
    )
    return client


def model_row(soi: Services) -> Model:
    with soi.database.read() as session:
        found = find_model(session, "boards")
    assert found is not None
    return found


def log(soi: Services, subject_id: str | None, prediction: str | None, **more: Any) -> None:
    row = {"version": "v1", "prediction": prediction, "score": 0.99, "subject_id": subject_id, **more}
    row.setdefault("happened_at", utc_now().isoformat())
    result = soi.eventlog.log_rows(model_row(soi), [{key: value for key, value in row.items() if value is not None}])
    assert result.n_new == 1, result


def run(soi: Services) -> TriageResult:
    return triage(soi.database, soi.eventlog, model_row(soi), utc_now())


def subject(soi: Services, subject_id: str) -> Subject:
    with soi.database.read() as session:
        return find_subjects(session, model_row(soi).id, [subject_id])[subject_id]


def test_a_subject_is_remembered_with_its_pictures_segments_and_answers(soi: Services, manager: Client) -> None:
    item, golden = "a" * 64, "b" * 64
    log(soi, "s1", "ok", artifacts=[item, golden], segments={"line": "L2"}, inputs={"station": 4})
    log(soi, "s1", "short", role="shadow", version="v2", champion_prediction="ok")
    result = run(soi)
    assert (result.n_events, result.n_subjects) == (2, 1)
    found = subject(soi, "s1")
    assert (found.artifact_sha256, found.golden_sha256, found.segments) == (item, golden, {"line": "L2"})
    assert found.details["champion"]["prediction"] == "ok"
    assert {name: one["prediction"] for name, one in found.details["answers"].items()} == {"v1": "ok", "v2": "short"}


def test_boxes_of_inputs_that_the_model_does_not_declare_come_to_the_bench(
    soi: Services, manager: Client, sign_in: SignIn
) -> None:
    drawn = [{"x": 5, "y": 6, "w": 7, "h": 8, "label": "open"}, [1, 2, 3, 4]]
    log(soi, "s1", None, inputs={"candidate_boxes": drawn})
    log(soi, "s2", None, inputs={"boxes": '[[5, 5, 5, 5], [1, 1, -1, 1], "left"]'})
    log(soi, "s3", None, inputs={"station": 1})
    run(soi)
    items = {task.subject_id: task.item for task in sign_in("inspector").review_tasks.claim("boards", 3)}
    assert [(box.x, box.y, box.width, box.height, box.label) for box in items["s1"].boxes] == [
        (5, 6, 7, 8, "open"),
        (1, 2, 3, 4, None),
    ]
    assert [(box.x, box.width) for box in items["s2"].boxes] == [(5, 5)]
    assert items["s3"].boxes == []
    assert {name: item.n_unread_boxes for name, item in items.items()} == {"s1": 0, "s2": 2, "s3": 0}


def test_the_policy_opens_null_outputs_shadow_disagreements_and_low_scores(soi: Services, manager: Client) -> None:
    log(soi, "plain", "ok")
    log(soi, "dark", None)
    log(soi, "doubt", "ok", score=0.3)
    log(soi, "two-minds", "ok")
    log(soi, "two-minds", "short", role="shadow", version="v2", champion_prediction="ok")
    log(soi, "one-mind", "ok", role="shadow", version="v2", champion_prediction="ok")
    assert run(soi).n_opened == 3
    tasks = {task.subject_id: task for task in manager.review_tasks.list("boards")}
    assert {name: task.reason for name, task in tasks.items()} == {
        "dark": "null_output",
        "doubt": "low_confidence",
        "two-minds": "disagreement",
    }
    assert {task.pi for task in tasks.values()} == {1.0}
    assert all(task.policy_id and task.seed == 1 and task.mode == "blind" for task in tasks.values())
    assert [answer["version"] for answer in tasks["two-minds"].answers] == ["v1", "v2"]


def test_running_again_changes_nothing(soi: Services, manager: Client) -> None:
    log(soi, "dark", None)
    first, second = run(soi), run(soi)
    assert (first.n_opened, second.n_opened, second.n_events) == (1, 0, 0)
    assert second.batch_id == first.batch_id


def test_the_random_share_is_what_the_policy_says_and_the_same_for_a_seed(soi: Services, manager: Client) -> None:
    manager.models.change("boards", settings={"review_policy": {"epsilon": 0.2, "seed": 3}})
    rows = [
        {
            "version": "v1",
            "prediction": "ok",
            "score": 0.99,
            "subject_id": f"s{n}",
            "happened_at": utc_now().isoformat(),
        }
        for n in range(600)
    ]
    soi.eventlog.log_rows(model_row(soi), rows)
    run(soi)
    tasks = manager.review_tasks.list("boards", limit=1000)
    assert {(task.reason, task.stratum, task.pi) for task in tasks} == {("random_audit", "rest", 0.2)}
    assert 80 <= len(tasks) <= 160
    assert {task.subject_id for task in tasks} == {f"s{n}" for n in range(600) if unit(3, f"s{n}") < 0.2}


def test_a_later_disagreement_raises_the_probability_of_the_item_and_of_its_labels(
    soi: Services, manager: Client, sign_in: SignIn
) -> None:
    manager.models.change("boards", settings={"review_policy": {"epsilon": 0.999999, "seed": 3}})
    log(soi, "s1", "ok")
    run(soi)
    inspector = sign_in("inspector")
    inspector.review_tasks.decide(inspector.review_tasks.claim("boards")[0], "ok")
    log(soi, "s1", "short", role="shadow", version="v2", champion_prediction="ok")
    assert run(soi).n_opened == 0
    [task] = manager.review_tasks.list("boards")
    assert (task.pi, task.stratum) == (1.0, "disagreement")
    assert manager.decisions.list("boards")[0].pi == 1.0


def test_old_answers_open_no_task_and_a_disabled_policy_opens_none(soi: Services, manager: Client) -> None:
    log(soi, "old", None, happened_at=(datetime.now(UTC) - timedelta(days=31)).isoformat())
    assert run(soi).n_opened == 0
    manager.models.change("boards", settings={"review_policy": {"is_enabled": False}})
    log(soi, "new", None)
    assert run(soi).n_opened == 0
    assert subject(soi, "new").details["champion"]["prediction"] is None


def test_events_without_a_subject_are_queued_under_their_request(soi: Services, manager: Client) -> None:
    log(soi, None, None, request_id="r1")
    log(soi, None, "ok", request_id="r2")
    assert run(soi).n_subjects == 1
    assert [task.subject_id for task in manager.review_tasks.list("boards")] == ["r1"]


@pytest.mark.parametrize("order", ["decision first", "prediction first"])
def test_a_person_against_the_champion_is_adjudicated_whatever_came_first(
    soi: Services, manager: Client, order: str
) -> None:
    decision = DecisionIn(subject_id="s1", judge="person:line-7", label="ok")
    if order == "decision first":
        answer = manager.decisions.send("boards", [decision])
        assert answer.results[0].is_subject_known is False
        assert manager.review_tasks.list("boards") == []
    log(soi, "s1", "short")
    assert run(soi).n_settled == (1 if order == "decision first" else 0)
    if order == "prediction first":
        assert manager.decisions.send("boards", [decision]).results[0].is_subject_known is True
    [task] = manager.review_tasks.list("boards", mode="adjudicate")
    assert {one["label"] for one in task.answers} == {"ok", "short"}


def test_the_newest_champion_counts_even_when_events_arrive_out_of_order(soi: Services, manager: Client) -> None:
    now = utc_now()
    log(soi, "s1", "short", happened_at=now.isoformat())
    run(soi)
    log(soi, "s1", "ok", happened_at=(now - timedelta(hours=1)).isoformat())
    run(soi)
    assert subject(soi, "s1").details["champion"]["prediction"] == "short"


def test_a_champion_that_changes_its_mind_is_settled_by_its_new_answer(soi: Services, manager: Client) -> None:
    log(soi, "s1", "ok")
    run(soi)
    manager.decisions.send("boards", [DecisionIn(subject_id="s1", judge="person:line-7", label="ok")])
    assert manager.review_tasks.list("boards", mode="adjudicate") == []
    log(soi, "s1", "short")
    assert run(soi).n_settled == 1
    [task] = manager.review_tasks.list("boards", mode="adjudicate")
    assert {one["label"] for one in task.answers} == {"ok", "short"}


def test_what_changed_while_events_were_merged_is_merged_anew(
    soi: Services, manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merging is done before the write lock is taken; another worker may store an answer of the subject meanwhile."""
    log(soi, "s1", "ok")
    real, others = triaging._chunk, [("s1", "short"), ("s2", "ok")]

    def late(session: Any, model: Model, policy: Any, events: Any, seen: Any, now: Any) -> Any:
        while others:
            name, prediction = others.pop()
            rows = [{**event, "version": "v2", "role": "shadow", "prediction": prediction} for event in events["s1"]]
            ahead = triaging._look(session, model, policy, {name: rows}, now)
            real(session, model, policy, {name: rows}, ahead, now)
        return real(session, model, policy, events, seen, now)

    monkeypatch.setattr(triaging, "_chunk", late)
    assert run(soi).n_subjects == 1
    answers = subject(soi, "s1").details["answers"]
    assert {name: one["prediction"] for name, one in answers.items()} == {"v1": "ok", "v2": "short"}


def test_an_item_that_somebody_queued_before_it_was_seen_is_not_queued_twice(
    soi: Services, manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(soi, "dark", None)
    log(soi, "doubt", "ok", score=0.3)
    real = review_tasks.open_tasks

    def late(session: Any, rows: list[dict[str, Any]]) -> list[str]:
        monkeypatch.undo()
        real(session, [{**row, "pi": 0.5} for row in rows if row["subject_id"] == "dark"])
        return real(session, rows)

    monkeypatch.setattr(review_tasks, "open_tasks", late)
    assert run(soi).n_opened == 1
    assert {task.subject_id: task.pi for task in manager.review_tasks.list("boards")} == {"dark": 1.0, "doubt": 1.0}


def test_triage_ends_between_groups_when_asked_and_goes_on_later(
    soi: Services, manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triaging, "GROUP_EVENTS", 2)
    for number in range(5):
        log(soi, f"s{number}", None)
    first = triage(soi.database, soi.eventlog, model_row(soi), utc_now(), is_over=lambda: True)
    assert (first.n_events, first.n_opened) == (2, 2)
    rest = run(soi)
    assert (rest.n_events, rest.n_opened) == (3, 3)
    assert rest.batch_id > first.batch_id


def test_nobody_is_asked_about_a_picture_before_it_came(soi: Services, sign_in: SignIn) -> None:
    manager = sign_in("data_scientist", "manager")
    policy = {"epsilon": 1.0, "seed": 1}
    manager.models.create(name="boards", item_kind="image", labels=LABELS, settings={"review_policy": policy})
    log(soi, "bare", "ok")
    log(soi, "late", "ok")
    log(soi, "shown", "ok", artifacts=["a" * 64])
    run(soi)
    assert [task.subject_id for task in manager.review_tasks.list("boards")] == ["shown"]
    log(soi, "late", "ok", version="v2", artifacts=["b" * 64])
    run(soi)
    assert {task.subject_id for task in manager.review_tasks.list("boards")} == {"shown", "late"}
    seen = manager.review_policies.preview("boards", **policy)
    assert (seen.n_events, seen.n_subjects) == (3, 2)
    assert round(seen.proposed.items_per_day * 7) == 2

"""What comes with a row, and one answer for identical rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from backend.client import ApiError, Client
from backend.drift.schemas import ReferenceCreate
from backend.models.schemas import ModelCreate
from backend.review_tasks import context, ranges
from backend.review_tasks.schemas import FieldContext, ItemContext
from db.engine import Database
from db.models.model import Model
from db.models.review import Decision, GroundTruth, ReviewTask, Subject
from tests.review_tasks.test_claiming import expire_leases

SignIn = Callable[..., Client]
LOAN = {"income": 30.0, "age": 40, "housing": "own"}
Open = Callable[..., None]


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    ranges.forget()
    context.forget()


@pytest.fixture
def loans(sign_in: SignIn, app: TestClient) -> Open:
    """loans({"a": inputs}) queues rows of a tabular model in their order."""
    wish = {
        "name": "loans",
        "item_kind": "tabular",
        "labels": [{"name": "grant"}, {"name": "refuse", "is_defect": True}],
        "inputs": [
            {"name": "income", "type": "number"},
            {"name": "age", "type": "integer", "minimum": 18},
            {"name": "housing", "type": "string"},
        ],
    }
    sign_in("data_scientist", "manager").models.create(ModelCreate.model_validate(wish))
    database: Database = app.app.state.services.database  # type: ignore[attr-defined]

    def fill(rows: dict[str, dict[str, Any]], **task: Any) -> None:
        with database.write() as session:
            model = session.query(Model).one()
            for place, (name, inputs) in enumerate(rows.items()):
                session.add(Subject(model_id=model.id, subject_id=name, details={"inputs": inputs}))
                row = {"reason": "random_audit", "pi": 0.25, "priority": place, "item": {"inputs": inputs}, **task}
                session.add(ReviewTask(model_id=model.id, subject_id=name, **row))

    return fill


def log_history(app: TestClient, n: int) -> None:
    """`n` loans an hour ago: incomes 1 to n, ages 18 to 67, own or rent."""
    services = app.app.state.services  # type: ignore[attr-defined]
    with services.database.read() as session:
        model = session.query(Model).one()
        session.expunge_all()
    at = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    rows = [
        {
            "version": "v1",
            "prediction": "grant",
            "happened_at": at,
            "inputs": {"income": float(i + 1), "age": 18 + i % 50, "housing": ("own", "rent")[i % 2]},
        }
        for i in range(n)
    ]
    assert len(services.eventlog.log_rows(model, rows).ids) == n


def by_name(found: ItemContext) -> dict[str, FieldContext]:
    return {one.name: one for one in found.fields}


def test_values_are_set_against_the_newest_events_where_no_reference_is(
    loans: Open, sign_in: SignIn, app: TestClient
) -> None:
    log_history(app, 200)
    loans({"a": {"income": 900.0, "age": 12, "housing": "boat", "note": "n"}})
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("loans")
    found = inspector.review_tasks.context(task)
    assert (found.source, found.n_rows) == ("history", 200)
    assert {one.name: one.state for one in found.fields} == {
        "income": "outside",
        "age": "outside",
        "housing": "outside",
        "note": "unknown",
    }
    income = by_name(found)["income"]
    assert income.median == pytest.approx(100, abs=2)
    assert income.rare_low == pytest.approx(2, abs=4)


def test_the_current_drift_reference_comes_before_history(loans: Open, sign_in: SignIn, app: TestClient) -> None:
    log_history(app, 100)
    end = datetime.now(UTC)
    wish = ReferenceCreate(model="loans", name="June", start=end - timedelta(hours=5), end=end)
    sign_in("data_scientist", "manager").drift.create_reference(wish)
    loans({"a": {"income": 50.0, "housing": "own"}})
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("loans")
    found = inspector.review_tasks.context(task)
    assert (found.source, found.source_name, found.n_rows) == ("reference", "June", 100)
    assert {one.name: one.state for one in found.fields} == {"income": "inside", "age": "missing", "housing": "inside"}
    assert by_name(found)["housing"].share == pytest.approx(0.5)


def test_without_history_nothing_is_out_of_a_reference_but_declared_limits_hold(loans: Open, sign_in: SignIn) -> None:
    loans({"a": {"income": 1e9, "age": 3}})
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("loans")
    found = inspector.review_tasks.context(task)
    assert found.source == "none"
    assert [one.state for one in found.fields] == ["unknown", "outside", "missing"]


def test_labelled_rows_like_it_come_nearest_first_and_never_the_item_itself(
    loans: Open, sign_in: SignIn, app: TestClient
) -> None:
    loans({"a": LOAN})
    with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
        model = session.query(Model).one()
        others = {"far": {**LOAN, "income": 90.0, "housing": "rent"}, "near": {**LOAN, "income": 33.0}}
        for name, inputs in others.items():
            session.add(Subject(model_id=model.id, subject_id=name, details={"inputs": inputs}))
        for name in ("far", "near", "a"):
            truth = {"label": "refuse", "method": "measured", "resolved_by": "test"}
            session.add(GroundTruth(model_id=model.id, subject_id=name, **truth))
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("loans")
    found = inspector.review_tasks.context(task)
    assert [one.subject_id for one in found.neighbours] == ["near", "far"]
    assert found.neighbours[0].distance == pytest.approx(3 / 60 / 3)
    assert found.n_labelled == 2


def test_the_context_is_for_whoever_holds_the_item(loans: Open, sign_in: SignIn) -> None:
    loans({"a": LOAN})
    an, binh = sign_in("inspector", "an"), sign_in("inspector", "binh")
    [task] = an.review_tasks.claim("loans")
    with pytest.raises(ApiError) as refused:
        binh.review_tasks.context(task)
    assert (refused.value.status, refused.value.code) == (409, "not_claimed")
    an.review_tasks.decide(task, "grant")
    assert an.review_tasks.context(task).fields


# --- one answer for identical rows ----------------------------------------------------------------------------------


def answers(client: Client) -> dict[str, str | None]:
    return {one.subject_id: one.label for one in client.decisions.list("loans")}


def test_identical_rows_get_the_answer_each_with_its_own_probability_and_one_undo_takes_all_back(
    loans: Open, sign_in: SignIn
) -> None:
    loans(dict.fromkeys("abcd", LOAN) | {"e": {**LOAN, "age": 41}})
    inspector, manager = sign_in("inspector"), sign_in("data_scientist", "manager")
    first, second = inspector.review_tasks.claim("loans", 2)  # the second waits in this person's own queue
    assert inspector.review_tasks.context(first).alike == 3
    decided = inspector.review_tasks.decide(first, "refuse", duration_ms=800, alike=3, idempotency_key="k")
    assert len(decided.alike_ids) == 3
    assert second.id in decided.alike_ids
    assert answers(manager) == dict.fromkeys("abcd", "refuse")
    rows = {one.subject_id: one for one in manager.decisions.list("loans")}
    assert [(rows[name].pi, rows[name].is_evidence) for name in "abcd"] == [(0.25, True)] * 4
    assert [rows[name].duration_ms for name in "ab"] == [800, None]
    again = inspector.review_tasks.decide(first, "refuse", alike=3, idempotency_key="k")
    assert (again.is_repeated, sorted(again.alike_ids)) == (True, sorted(decided.alike_ids))
    assert inspector.review_tasks.progress("loans").done_today == 4
    assert inspector.review_tasks.undo("loans").id == first.id
    assert answers(manager) == {}
    assert inspector.review_tasks.progress("loans").done_today == 0
    assert inspector.review_tasks.progress("loans").mine == 1  # the others went back to the queue
    claimed = sign_in("inspector", "binh").review_tasks.claim("loans", 9)
    assert [task.subject_id for task in claimed] == ["b", "c", "d", "e"]


def test_a_bulk_answer_takes_one_place_of_the_ten_that_can_be_taken_back(loans: Open, sign_in: SignIn) -> None:
    loans({f"x{number}": {**LOAN, "age": 20 + number} for number in range(3)} | {f"y{n:02d}": LOAN for n in range(20)})
    inspector, manager = sign_in("inspector"), sign_in("data_scientist", "manager")
    for _ in range(3):
        [task] = inspector.review_tasks.claim("loans")
        inspector.review_tasks.decide(task, "grant")
    [task] = inspector.review_tasks.claim("loans")
    assert len(inspector.review_tasks.decide(task, "refuse", alike=50).alike_ids) == 19
    for left in (3, 2, 1, 0):
        inspector.review_tasks.undo("loans")
        assert len(answers(manager)) == left


def test_rows_in_other_hands_in_other_modes_or_answered_already_are_left_alone(
    loans: Open, sign_in: SignIn, app: TestClient
) -> None:
    loans(dict.fromkeys("abc", LOAN))
    loans({"d": LOAN}, mode="assist", priority=9)
    an, binh = sign_in("inspector", "an"), sign_in("inspector", "binh")
    [taken] = binh.review_tasks.claim("loans")
    [task] = an.review_tasks.claim("loans")
    decided = an.review_tasks.decide(task, "refuse", alike=50)
    assert len(decided.alike_ids) == 1
    assert sorted(answers(sign_in("data_scientist", "manager"))) == ["b", "c"]
    assert binh.review_tasks.decide(taken, "grant").outcome == "counted"
    expire_leases(app.app.state.services.database)  # type: ignore[attr-defined]
    with app.app.state.services.database.read() as session:  # type: ignore[attr-defined]
        assert session.query(Decision).count() == 3


def test_only_a_label_goes_to_identical_rows(loans: Open, sign_in: SignIn) -> None:
    loans({"a": LOAN, "b": LOAN})
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("loans")
    with pytest.raises(ApiError) as refused:
        inspector.review_tasks.decide(task, verb="unsure", alike=1)
    assert refused.value.status == 422

"""Claims: order, leases, one item to one person, blindness, and a race."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from backend.client import ApiError, Client
from db.base import utc_now
from db.engine import Database
from db.models.review import ReviewTask

SignIn = Callable[..., Client]
Queue = Callable[..., list[str]]


def expire_leases(database: Database) -> None:
    with database.write() as session:
        session.execute(update(ReviewTask).values(lease_until=utc_now() - timedelta(seconds=1)))


def test_a_claim_gives_items_that_nobody_else_gets(queue: Queue, sign_in: SignIn) -> None:
    names = queue(6)
    first, second = sign_in("inspector", "an"), sign_in("inspector", "binh")
    mine = first.review_tasks.claim("boards", 3)
    theirs = second.review_tasks.claim("boards", 10)
    assert len(mine) == 3
    assert {task.subject_id for task in mine} | {task.subject_id for task in theirs} == set(names)
    assert len(theirs) == 3
    assert first.review_tasks.claim("boards", 1) == []


def test_items_come_by_priority_and_the_same_seed_gives_the_same_order(
    queue: Queue, sign_in: SignIn, database_of_app: Database
) -> None:
    queue(10, seed=5)
    with database_of_app.read() as session:
        expected = [task.subject_id for task in session.query(ReviewTask).order_by(ReviewTask.priority, ReviewTask.id)]
    got = [task.subject_id for task in sign_in("inspector").review_tasks.claim("boards", 10)]
    assert got == expected
    assert got != sorted(got)


def test_a_blind_task_tells_nothing_of_the_machine(queue: Queue, sign_in: SignIn) -> None:
    queue(1, champion="short", reason="disagreement", stratum="disagreement")
    inspector = sign_in("inspector")
    answer = inspector.transport.request("POST", "/v1/review-tasks/claim", json={"model": "boards", "n": 1})
    task = answer.json()[0]
    assert set(task) == {
        "id", "lease_token", "lease_until", "model", "subject_id", "mode", "item", "labels", "reason", "opinions",
        "previous_label",
    }  # fmt: skip
    assert task["reason"] is None
    assert task["opinions"] is None
    shown = json.dumps({name: task[name] for name in ("subject_id", "mode", "item", "reason", "opinions")})
    for secret in ("short", "disagreement", "0.9", "0.5", "v1"):
        assert secret not in shown


def test_a_lease_that_ran_out_returns_to_the_queue(queue: Queue, sign_in: SignIn, database_of_app: Database) -> None:
    queue(1)
    an, binh = sign_in("inspector", "an"), sign_in("inspector", "binh")
    [task] = an.review_tasks.claim("boards")
    assert binh.review_tasks.claim("boards") == []
    expire_leases(database_of_app)
    assert [one.id for one in binh.review_tasks.claim("boards")] == [task.id]
    with pytest.raises(ApiError) as lost:
        an.review_tasks.heartbeat(task)
    assert (lost.value.status, lost.value.code) == (409, "lease_lost")


def test_a_heartbeat_keeps_the_lease(queue: Queue, sign_in: SignIn) -> None:
    queue(1)
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("boards")
    assert task.lease_until is not None
    assert inspector.review_tasks.heartbeat(task).lease_until > task.lease_until


def test_released_items_are_free_at_once_and_a_stranger_cannot_release(queue: Queue, sign_in: SignIn) -> None:
    queue(2)
    an, binh = sign_in("inspector", "an"), sign_in("inspector", "binh")
    tasks = an.review_tasks.claim("boards", 2)
    assert binh.review_tasks.release(tasks).released == []
    assert sorted(an.review_tasks.release(tasks).released) == sorted(task.id for task in tasks)
    assert len(binh.review_tasks.claim("boards", 2)) == 2


def test_nobody_gets_an_item_twice_but_a_hidden_repeat(queue: Queue, sign_in: SignIn) -> None:
    queue(1, n_wanted=2)
    inspector = sign_in("inspector", "an")
    [task] = inspector.review_tasks.claim("boards")
    inspector.review_tasks.decide(task, "ok")
    assert inspector.review_tasks.claim("boards") == []
    assert len(sign_in("inspector", "binh").review_tasks.claim("boards")) == 1
    queue(1, reason="repeat", policy_id="again")
    [repeat] = inspector.review_tasks.claim("boards")
    assert repeat.subject_id == task.subject_id
    assert repeat.id != task.id


def test_six_people_racing_for_twenty_items_never_share_one(queue: Queue, sign_in: SignIn) -> None:
    queue(20)
    people = [sign_in("inspector", f"person-{number}") for number in range(6)]
    got: list[str] = []

    def work(person: Client) -> None:
        while tasks := person.review_tasks.claim("boards", 2):
            for task in tasks:
                got.append(task.id)
                person.review_tasks.decide(task, "ok")

    threads = [threading.Thread(target=work, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 20
    assert max(Counter(got).values()) == 1


def test_progress_counts_the_day_and_the_queue(queue: Queue, sign_in: SignIn) -> None:
    queue(3)
    inspector = sign_in("inspector")
    first, _ = inspector.review_tasks.claim("boards", 2)
    inspector.review_tasks.decide(first, "ok")
    progress = inspector.review_tasks.progress("boards")
    assert (progress.done_today, progress.mine, progress.open, progress.to_adjudicate) == (1, 1, 2, 0)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "nobody", "n": 1}, 404),
        ({"model": "boards", "n": 11}, 422),
        ({"model": "boards", "n": 0}, 422),
        ({"model": "boards", "modes": ["open"]}, 422),
        ({"model": "boards", "order": "random"}, 422),
    ],
)
def test_a_claim_that_makes_no_sense_is_refused(
    boards: str, sign_in: SignIn, body: dict[str, object], status: int
) -> None:
    with pytest.raises(ApiError) as refused:
        sign_in("inspector").transport.request("POST", "/v1/review-tasks/claim", json=body)
    assert refused.value.status == status


def test_inspectors_neither_open_nor_list_tasks(queue: Queue, sign_in: SignIn) -> None:
    queue(1)
    with pytest.raises(ApiError) as refused:
        sign_in("inspector").review_tasks.list("boards")
    assert refused.value.status == 403
    manager = sign_in("data_scientist", "manager")
    [task] = manager.review_tasks.list("boards", state="open")
    assert task.pi == 0.5
    assert task.answers[0]["prediction"] == "ok"


def test_tasks_are_opened_once_per_item_and_unknown_subjects_are_named(queue: Queue, sign_in: SignIn) -> None:
    queue(2)
    manager = sign_in("data_scientist", "manager")
    body = {"model": "boards", "subject_ids": ["board-000", "ghost"], "where": {"segments": {"line": "L1"}}}
    answer = manager.transport.request("POST", "/v1/review-tasks", json=body).json()
    assert answer == {"opened": [], "n_queued_already": 2, "unknown": ["ghost"]}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/review-tasks?model=boards&subject_id=%00", 400),
        ("/v1/decisions?model=boards&start=9999-12-31T23:59:59-23:00", 422),
        ("/v1/decisions?model=boards&start=0001-01-01T00:00:00Z", 200),
        ("/v1/ground-truth?model=boards&limit=1001", 422),
        ("/v1/ground-truth?model=boards&start=2026-03-01", 422),
    ],
)
def test_hostile_addresses_answer_alike_on_both_databases(boards: str, sign_in: SignIn, path: str, status: int) -> None:
    manager = sign_in("data_scientist", "manager")
    try:
        got = manager.transport.request("GET", path).status_code
    except ApiError as error:
        got = error.status
    assert got == status

"""What goes wrong at the queue, each on both databases: nothing is lost, nothing counts twice, everybody is told."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from backend.client import ApiError, Client
from backend.review_tasks.schemas import ClaimedTask
from db.base import utc_now
from db.engine import Database
from db.models.model import Artifact
from db.models.review import ReviewTask

pytestmark = pytest.mark.each_database

SignIn = Callable[..., Client]
Queue = Callable[..., list[str]]


def expire_leases(database: Database) -> None:
    with database.write() as session:
        session.execute(update(ReviewTask).values(lease_until=utc_now() - timedelta(seconds=1)))


def at_once(*jobs: Callable[[], Any]) -> list[Any]:
    """What jobs that start at the same moment answer, or the error that each ends with."""
    gate, answers = threading.Barrier(len(jobs)), [None] * len(jobs)  # type: list[Any]

    def work(place: int) -> None:
        gate.wait()
        try:
            answers[place] = jobs[place]()
        except ApiError as error:
            answers[place] = error

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_an_empty_queue_gives_an_empty_list_and_says_so_in_progress(boards: str, sign_in: SignIn) -> None:
    inspector = sign_in("inspector")
    assert inspector.review_tasks.claim(boards, 3) == []
    assert inspector.review_tasks.claim(boards, 3, modes=["adjudicate"]) == []
    found = inspector.review_tasks.progress(boards)
    assert (found.open, found.to_adjudicate, found.mine, found.done_today) == (0, 0, 0, 0)
    with pytest.raises(ApiError) as caught:
        inspector.review_tasks.undo(boards)
    assert (caught.value.status, caught.value.code) == (409, "nothing_to_undo")


def test_after_a_lease_ran_out_its_holder_may_answer_until_somebody_else_holds_the_item(
    queue: Queue, sign_in: SignIn, database_of_app: Database
) -> None:
    queue(2)
    an, binh = sign_in("inspector", "an"), sign_in("inspector", "binh")
    first, second = an.review_tasks.claim("boards", 2)
    expire_leases(database_of_app)
    assert an.review_tasks.decide(first, "ok").outcome == "late"
    [held] = binh.review_tasks.claim("boards", 2)
    assert held.id == second.id
    with pytest.raises(ApiError) as caught:
        an.review_tasks.heartbeat(second)
    assert (caught.value.status, caught.value.code) == (409, "lease_lost")
    assert an.review_tasks.decide(second, "open").outcome == "extra"
    assert binh.review_tasks.decide(held, "ok").outcome == "counted"


def test_a_token_of_somebody_else_neither_counts_nor_keeps_nor_frees(queue: Queue, sign_in: SignIn) -> None:
    queue(1)
    an, binh = sign_in("inspector", "an"), sign_in("inspector", "binh")
    [task] = an.review_tasks.claim("boards")
    assert binh.review_tasks.decide(task, "open").outcome == "extra"
    assert binh.review_tasks.release([task]).released == []
    with pytest.raises(ApiError) as caught:
        binh.review_tasks.heartbeat(task)
    assert caught.value.code == "lease_lost"
    assert an.review_tasks.decide(task, "ok").outcome == "counted"
    kept = sign_in("data_scientist", "manager").decisions.list("boards")
    assert [(one.label, one.is_evidence) for one in kept] == [("open", False), ("ok", True)]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"label": "scratch"}, "unknown_label"),
        ({"verb": "label"}, "label_missing"),
        ({"verb": "unsure", "label": "ok"}, "label_not_expected"),
        ({"verb": "skip", "label": "ok"}, "label_not_expected"),
        ({"label": "ok", "skip_reason": "other"}, "reason_not_expected"),
        ({"verb": "skip", "skip_reason": "bored"}, "invalid"),
    ],
)
def test_a_label_outside_the_set_stores_nothing_and_keeps_the_lease(
    queue: Queue, sign_in: SignIn, body: dict[str, Any], code: str
) -> None:
    queue(1)
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("boards")
    sent = {"lease_token": task.lease_token, **body}
    with pytest.raises(ApiError) as caught:
        inspector.transport.request("POST", f"/v1/review-tasks/{task.id}/decide", json=sent)
    assert (caught.value.status, caught.value.code) == (422, code)
    assert sign_in("data_scientist", "manager").decisions.list("boards") == []
    assert inspector.review_tasks.heartbeat(task).lease_until > utc_now()
    assert inspector.review_tasks.decide(task, "ok").outcome == "counted"


def test_an_image_that_went_missing_is_told_and_skipped_with_its_reason(
    app: TestClient, queue: Queue, sign_in: SignIn, database_of_app: Database
) -> None:
    queue(1)
    with database_of_app.write() as session:  # the row is there, its bytes are not
        session.add(Artifact(sha256="a" * 64, kind="image", media_type="image/png", n_bytes=9))
    for name in ("an", "binh"):
        person = sign_in("inspector", name)
        [task] = person.review_tasks.claim("boards")
        assert task.item.artifact is not None
        with pytest.raises(ApiError) as caught:
            person.transport.request("GET", f"/v1/artifacts/{task.item.artifact}")
        assert (caught.value.status, caught.value.code) == (404, "bytes_gone")
        person.review_tasks.decide(task, verb="skip", skip_reason="damaged", comment="all black")
    manager = sign_in("data_scientist", "manager")
    assert [one.state for one in manager.review_tasks.list("boards")] == ["skipped"]
    assert {(one.verb, one.skip_reason, one.comment) for one in manager.decisions.list("boards")} == {
        ("skip", "damaged", "all black")
    }
    assert manager.ground_truth.list("boards") == []


def test_the_same_key_sent_twice_at_once_is_one_answer(queue: Queue, sign_in: SignIn) -> None:
    queue(1, n_wanted=2)
    one, other = sign_in("inspector", "an"), sign_in("inspector", "an")
    [task] = one.review_tasks.claim("boards")
    answers = at_once(
        *[lambda api=api: api.review_tasks.decide(task, "ok", idempotency_key="press-1") for api in (one, other)]
    )
    assert all(not isinstance(answer, ApiError) or answer.code == "idempotency_conflict" for answer in answers)
    again = one.review_tasks.decide(task, "ok", idempotency_key="press-1")
    assert again.is_repeated
    manager = sign_in("data_scientist", "manager")
    assert [row.label for row in manager.decisions.list("boards")] == ["ok"]
    assert manager.review_tasks.list("boards")[0].n_decided == 1
    with pytest.raises(ApiError) as caught:
        one.review_tasks.decide(task, "open", idempotency_key="press-1")
    assert (caught.value.status, caught.value.code) == (409, "idempotency_conflict")


def test_two_tabs_of_one_person_never_hold_one_item_and_two_answers_at_once_count_once(
    queue: Queue, sign_in: SignIn
) -> None:
    queue(8, n_wanted=2)
    tabs = [sign_in("inspector", "an") for _ in range(2)]
    held = at_once(*[lambda tab=tab: tab.review_tasks.claim("boards", 3) for tab in tabs])
    assert len({task.id for tasks in held for task in tasks}) == 6
    shared: ClaimedTask = held[0][0]
    at_once(
        *[
            lambda tab=tab, label=label: tab.review_tasks.decide(shared, label, idempotency_key=label)
            for tab, label in zip(tabs, ("ok", "open"), strict=True)
        ]
    )
    manager = sign_in("data_scientist", "manager")
    standing = manager.decisions.list("boards", subject_id=shared.subject_id)
    everything = manager.decisions.list("boards", subject_id=shared.subject_id, superseded=True)
    assert (len(standing), len(everything)) == (1, 2)
    [task] = manager.review_tasks.list("boards", subject_id=shared.subject_id, mode="blind")
    assert (task.n_decided, task.state) == (1, "open")


def test_of_two_people_who_adjudicate_at_the_same_moment_exactly_one_settles(
    queue: Queue, sign_in: SignIn, database_of_app: Database
) -> None:
    names = queue(6, champion="short")
    an = sign_in("inspector", "an")
    for task in an.review_tasks.claim("boards", 6):
        an.review_tasks.decide(task, "ok")
    binh, chi = sign_in("inspector", "binh"), sign_in("inspector", "chi")
    slow = {task.subject_id: task for task in binh.review_tasks.claim("boards", 6, modes=["adjudicate"])}
    expire_leases(database_of_app)
    fast = {task.subject_id: task for task in chi.review_tasks.claim("boards", 6, modes=["adjudicate"])}
    assert set(slow) == set(fast) == set(names)
    for name in names:
        answers = at_once(
            lambda name=name: binh.review_tasks.decide(slow[name], "open"),
            lambda name=name: chi.review_tasks.decide(fast[name], "short"),
        )
        assert Counter(answer.outcome for answer in answers) == Counter(["counted", "extra"])
    manager = sign_in("data_scientist", "manager")
    truths = manager.ground_truth.list("boards", limit=100)
    assert Counter(one.subject_id for one in truths) == Counter(names)
    assert {one.label for one in truths} == {"short"}
    assert len(manager.decisions.list("boards", limit=100)) == 18


def test_nobody_who_gave_an_opinion_can_settle_the_dispute_about_it(
    queue: Queue, sign_in: SignIn, database_of_app: Database
) -> None:
    """Neither by claiming, nor with a token that somebody else was given."""
    queue(1, n_wanted=2)
    an, binh, chi = (sign_in("inspector", name) for name in ("an", "binh", "chi"))
    an.review_tasks.decide(an.review_tasks.claim("boards")[0], "open")
    binh.review_tasks.decide(binh.review_tasks.claim("boards")[0], "short")
    for giver in (an, binh):
        assert giver.review_tasks.claim("boards", modes=["adjudicate"]) == []
    [task] = chi.review_tasks.claim("boards", modes=["adjudicate"])
    assert task.opinions is not None
    told = {name for one in task.opinions for name in one.model_dump()}
    assert told == {"name", "label", "verb", "comment"}
    for giver in (an, binh):
        assert giver.review_tasks.decide(task, "ok").outcome == "extra"
    expire_leases(database_of_app)
    assert an.review_tasks.decide(task, "ok").outcome == "extra"
    manager = sign_in("data_scientist", "manager")
    assert manager.ground_truth.list("boards") == []
    assert chi.review_tasks.decide(task, "short").outcome == "late"
    assert [one.label for one in manager.ground_truth.list("boards")] == ["short"]


def test_a_flagged_item_is_looked_at_by_somebody_else_and_is_no_evidence(queue: Queue, sign_in: SignIn) -> None:
    queue(1, reason="random_audit")
    an, binh, manager = sign_in("inspector", "an"), sign_in("inspector", "binh"), sign_in("data_scientist", "manager")
    [task] = an.review_tasks.claim("boards")
    body = {"lease_token": task.lease_token, "label": "ok", "is_flagged": True, "comment": "odd colour"}
    an.transport.request("POST", f"/v1/review-tasks/{task.id}/decide", json=body)
    assert an.review_tasks.claim("boards") == []
    [flagged] = manager.review_tasks.list("boards", reason="flagged")
    assert (flagged.state, flagged.pi, flagged.stratum) == ("open", 0.0, "flagged")
    [second] = binh.review_tasks.claim("boards")
    assert second.id == flagged.id
    binh.review_tasks.decide(second, "ok")
    first, again = manager.decisions.list("boards")
    assert (first.comment, first.details["is_flagged"]) == ("odd colour", True)
    assert [first.is_evidence, again.is_evidence] == [True, False]
    assert [one.method for one in manager.ground_truth.list("boards")] == ["consensus"]


def test_a_flag_that_is_taken_back_asks_nobody_and_given_again_asks_once(queue: Queue, sign_in: SignIn) -> None:
    queue(1, reason="random_audit")
    an, binh = sign_in("inspector", "an"), sign_in("inspector", "binh")
    [task] = an.review_tasks.claim("boards")
    path, body = f"/v1/review-tasks/{task.id}/decide", {"lease_token": task.lease_token, "label": "ok"}
    an.transport.request("POST", path, json={**body, "is_flagged": True})
    an.review_tasks.undo("boards")
    assert binh.review_tasks.claim("boards") == []
    an.transport.request("POST", path, json={**body, "is_flagged": True})
    an.transport.request("POST", path, json={**body, "is_flagged": True, "label": "open"})
    assert len(binh.review_tasks.claim("boards", 5)) == 1


def test_a_policy_that_sends_no_flags_opens_no_task_for_them(queue: Queue, sign_in: SignIn) -> None:
    queue(1, reason="random_audit")
    manager, an = sign_in("data_scientist", "manager"), sign_in("inspector", "an")
    manager.review_policies.declare("boards", reason="no flags", rates={"flagged": 0})
    [task] = an.review_tasks.claim("boards")
    body = {"lease_token": task.lease_token, "label": "ok", "is_flagged": True}
    an.transport.request("POST", f"/v1/review-tasks/{task.id}/decide", json=body)
    assert manager.review_tasks.list("boards", reason="flagged") == []

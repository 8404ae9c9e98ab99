"""Items of a person who agrees too seldom on known items go to others, with a notice, and can be taken back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backend.client import ApiError, Client
from backend.services import Services
from backend.worker.review import check_people
from db.base import utc_now
from db.models.alert import OutboxMessage
from db.models.model import Artifact
from db.models.review import Decision
from tests.review_policies.conftest import log, look

SignIn = Callable[..., Client]
PICTURE = "a" * 64
POLICY = {"epsilon": 1.0, "gold_share": 0.5, "min_agreement": 0.8, "min_checks": 5}


@pytest.fixture
def careless(soi: Services, manager: Client, sign_in: SignIn) -> Client:
    """A person who calls everything ok, also the ten known shorts among thirty boards."""
    with soi.database.write() as session:
        session.add(Artifact(sha256=PICTURE, kind="image", media_type="image/png", n_bytes=9))
    known = [{"subject_id": f"known-{k}", "label": "short", "artifact": PICTURE} for k in range(40)]
    manager.planted_items.store("boards", known)
    manager.review_policies.declare("boards", reason="watch people", **POLICY)
    log(soi, [{"subject_id": f"board-{k}", "artifacts": [PICTURE]} for k in range(30)])
    look(soi)
    person = sign_in("inspector", "an")
    answer_all(person)
    return person


def answer_all(person: Client, label: str = "ok") -> set[str]:
    seen = set()
    while tasks := person.review_tasks.claim("boards", 10):
        for task in tasks:
            person.review_tasks.decide(task, label)
            seen.add(task.subject_id)
    return seen


def evidence(soi: Services) -> dict[str, bool]:
    with soi.database.read() as session:
        rows = session.query(Decision).filter(Decision.is_planted.is_(False)).order_by(Decision.id)
        return {row.subject_id: row.is_evidence for row in rows}


def test_their_items_go_to_others_and_are_no_evidence_meanwhile(
    soi: Services, manager: Client, sign_in: SignIn, careless: Client
) -> None:
    channel = sign_in("admin").channels.create(name="mes", kind="webhook", url="https://mes.example.com/hook")
    assert set(evidence(soi).values()) == {True}
    assert check_people(soi.database, utc_now()) == 1
    [made] = manager.reassignments.list("boards")
    assert (made.name, made.n_agreed, made.n_items, made.n_waiting) == ("an", 0, 30, 30)
    assert made.n_checks >= POLICY["min_checks"]
    assert set(evidence(soi).values()) == {False}
    assert careless.review_tasks.claim("boards", 10) == []
    assert answer_all(sign_in("inspector", "binh")) >= {f"board-{k}" for k in range(30)}
    assert len(manager.ground_truth.list("boards", limit=100)) == 30  # two blind people agree
    [line] = [one for one in sign_in("admin").audit.list() if one.action == "review.reassigned"]
    assert line.details["n_items"] == 30
    with soi.database.read() as session:
        [message] = session.query(OutboxMessage).filter_by(kind="reassigned")
        assert (message.channel_id, message.payload["person"]) == (channel.id, "an")


def test_nobody_is_found_twice_for_the_same_checks(soi: Services, manager: Client, careless: Client) -> None:
    assert [check_people(soi.database, utc_now()) for _ in range(3)] == [1, 0, 0]


def test_taking_it_back_gives_every_item_what_it_had(
    soi: Services, manager: Client, sign_in: SignIn, careless: Client
) -> None:
    before = {task.id: (task.state, task.n_wanted) for task in manager.review_tasks.list("boards", limit=1000)}
    check_people(soi.database, utc_now())
    [made] = manager.reassignments.list("boards")
    undone = manager.reassignments.reverse(made.id)
    assert (undone.reversed_by is not None, undone.n_waiting) == (True, 0)
    assert {task.id: (task.state, task.n_wanted) for task in manager.review_tasks.list("boards", limit=1000)} == before
    assert set(evidence(soi).values()) == {True}
    assert sign_in("inspector", "binh").review_tasks.claim("boards", 10) == []
    with pytest.raises(ApiError) as caught:
        manager.reassignments.reverse(made.id)
    assert (caught.value.status, caught.value.code) == (409, "reversed_already")
    actions = [one.action for one in sign_in("admin").audit.list()]
    assert "review.reassignment_reversed" in actions


def test_what_others_answered_meanwhile_stays(
    soi: Services, manager: Client, sign_in: SignIn, careless: Client
) -> None:
    check_people(soi.database, utc_now())
    binh = sign_in("inspector", "binh")
    for task in binh.review_tasks.claim("boards", 10):
        binh.review_tasks.decide(task, "ok")
    [made] = manager.reassignments.list("boards")
    manager.reassignments.reverse(made.id)
    assert len(manager.ground_truth.list("boards", limit=100)) == 10
    assert binh.review_tasks.claim("boards", 10) == []


def test_without_a_limit_or_with_too_few_checks_nothing_happens(
    soi: Services, manager: Client, careless: Client
) -> None:
    manager.review_policies.declare("boards", reason="off", **{**POLICY, "min_agreement": None})
    assert check_people(soi.database, utc_now()) == 0
    manager.review_policies.declare("boards", reason="more checks", **{**POLICY, "min_checks": 1000})
    assert check_people(soi.database, utc_now()) == 0
    assert manager.reassignments.list("boards") == []


def test_a_person_who_agrees_keeps_their_items(soi: Services, manager: Client, sign_in: SignIn) -> None:
    with soi.database.write() as session:
        session.add(Artifact(sha256=PICTURE, kind="image", media_type="image/png", n_bytes=9))
    known = [{"subject_id": f"known-{k}", "label": "ok", "artifact": PICTURE} for k in range(40)]
    manager.planted_items.store("boards", known)
    manager.review_policies.declare("boards", reason="watch people", **POLICY)
    log(soi, [{"subject_id": f"board-{k}", "artifacts": [PICTURE]} for k in range(30)])
    look(soi)
    answer_all(sign_in("inspector", "an"))
    assert check_people(soi.database, utc_now()) == 0

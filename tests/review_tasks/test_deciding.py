"""Deciding: nothing is discarded, keys count once, disagreements are escalated, undo goes ten deep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backend.client import ApiError, Client
from db.engine import Database
from tests.review_tasks.test_claiming import expire_leases

SignIn = Callable[..., Client]
Queue = Callable[..., list[str]]


def truths(client: Client) -> dict[str, tuple[str, str]]:
    return {one.subject_id: (one.label, one.method) for one in client.ground_truth.list("boards")}


def test_an_answer_closes_the_item_and_is_evidence_with_its_probability(queue: Queue, sign_in: SignIn) -> None:
    queue(1)
    inspector, manager = sign_in("inspector"), sign_in("data_scientist", "manager")
    [task] = inspector.review_tasks.claim("boards")
    decided = inspector.review_tasks.decide(task, "ok", duration_ms=900, boxes=[{"x": 1, "y": 2, "w": 3, "h": 4}])
    assert (decided.outcome, decided.task_state, decided.reveal) == ("counted", "done", None)
    [stored] = manager.decisions.list("boards")
    assert (stored.label, stored.pi, stored.is_evidence, stored.seen) == ("ok", 0.5, True, "blind")
    assert (stored.duration_ms, stored.boxes) == (900, [{"x": 1, "y": 2, "w": 3, "h": 4}])
    assert truths(manager) == {}


@pytest.mark.parametrize(
    ("label", "verb", "code"),
    [
        ("scratch", "label", "unknown_label"),
        (None, "label", "label_missing"),
        ("ok", "unsure", "label_not_expected"),
    ],
)
def test_a_wrong_label_is_refused_and_the_lease_stays(
    queue: Queue, sign_in: SignIn, label: str | None, verb: str, code: str
) -> None:
    queue(1)
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("boards")
    with pytest.raises(ApiError) as refused:
        inspector.review_tasks.decide(task, label, verb=verb)
    assert (refused.value.status, refused.value.code) == (422, code)
    assert inspector.review_tasks.decide(task, "ok").outcome == "counted"


def test_the_same_key_press_sent_again_counts_once_and_another_answer_under_it_is_refused(
    queue: Queue, sign_in: SignIn
) -> None:
    queue(1, n_wanted=3)
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("boards")
    first = inspector.review_tasks.decide(task, "ok", idempotency_key="k1")
    again = inspector.review_tasks.decide(task, "ok", idempotency_key="k1")
    assert (again.decision_id, again.is_repeated, again.outcome) == (first.decision_id, True, "counted")
    with pytest.raises(ApiError) as refused:
        inspector.review_tasks.decide(task, "open", idempotency_key="k1")
    assert (refused.value.status, refused.value.code) == (409, "idempotency_conflict")
    [row] = sign_in("data_scientist", "manager").review_tasks.list("boards")
    assert row.n_decided == 1


def test_a_late_answer_on_an_open_item_counts(queue: Queue, sign_in: SignIn, database_of_app: Database) -> None:
    queue(1)
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("boards")
    expire_leases(database_of_app)
    assert inspector.review_tasks.decide(task, "ok").outcome == "late"


def test_an_answer_on_an_item_in_other_hands_or_closed_is_kept_as_an_extra_opinion(
    queue: Queue, sign_in: SignIn, database_of_app: Database
) -> None:
    queue(1)
    an, binh, chi = (sign_in("inspector", name) for name in ("an", "binh", "chi"))
    [lost] = an.review_tasks.claim("boards")
    expire_leases(database_of_app)
    [held] = binh.review_tasks.claim("boards")
    extra = an.review_tasks.decide(lost, "ok")
    assert (extra.outcome, extra.task_state) == ("extra", "open")
    assert extra.message is not None
    assert binh.review_tasks.decide(held, "ok").outcome == "counted"
    assert chi.review_tasks.decide(held, "ok").outcome == "extra"
    stored = sign_in("data_scientist", "manager").decisions.list("boards")
    assert [one.is_evidence for one in stored] == [False, True, False]


def test_a_second_tab_corrects_and_does_not_count_twice(queue: Queue, sign_in: SignIn) -> None:
    queue(1, n_wanted=2)
    inspector, manager = sign_in("inspector"), sign_in("data_scientist", "manager")
    [task] = inspector.review_tasks.claim("boards")
    inspector.review_tasks.decide(task, "ok", idempotency_key="tab-1")
    second = inspector.review_tasks.decide(task, "open", idempotency_key="tab-2")
    assert (second.outcome, second.task_state) == ("corrected", "open")
    first, now = manager.decisions.list("boards", superseded=True)
    assert first.superseded_by == now.id
    assert manager.review_tasks.list("boards", mode="blind")[0].n_decided == 1


def test_two_blind_people_who_agree_make_ground_truth_against_the_machine(queue: Queue, sign_in: SignIn) -> None:
    queue(1, champion="short", n_wanted=2)
    manager = sign_in("data_scientist", "manager")
    for name in ("an", "binh"):
        person = sign_in("inspector", name)
        person.review_tasks.decide(person.review_tasks.claim("boards")[0], "ok")
    assert truths(manager) == {"board-000": ("ok", "consensus")}
    assert manager.review_tasks.list("boards", state="open") == []


def test_a_person_against_the_machine_goes_to_a_third_person_who_sees_no_names(queue: Queue, sign_in: SignIn) -> None:
    queue(1, champion="short")
    an, binh, manager = sign_in("inspector", "an"), sign_in("inspector", "binh"), sign_in("data_scientist", "manager")
    an.review_tasks.decide(an.review_tasks.claim("boards")[0], "ok")
    assert an.review_tasks.claim("boards", modes=["adjudicate"]) == []
    [task] = binh.review_tasks.claim("boards", modes=["adjudicate"])
    assert task.opinions is not None
    assert {one.label for one in task.opinions} == {"ok", "short"}
    assert [one.name for one in task.opinions] == ["A", "B"]
    assert set(task.opinions[0].model_dump()) == {"name", "label", "verb", "comment"}
    decided = binh.review_tasks.decide(task, "short")
    assert (decided.outcome, decided.task_state) == ("counted", "done")
    assert truths(manager) == {"board-000": ("short", "adjudication")}


def test_of_two_adjudicators_at_once_the_second_is_kept_and_told(
    queue: Queue, sign_in: SignIn, database_of_app: Database
) -> None:
    queue(1, champion="short")
    an, binh, chi = (sign_in("inspector", name) for name in ("an", "binh", "chi"))
    an.review_tasks.decide(an.review_tasks.claim("boards")[0], "ok")
    [slow] = binh.review_tasks.claim("boards", modes=["adjudicate"])
    expire_leases(database_of_app)
    [fast] = chi.review_tasks.claim("boards", modes=["adjudicate"])
    chi.review_tasks.decide(fast, "open")
    late = binh.review_tasks.decide(slow, "ok")
    assert late.outcome == "extra"
    assert truths(sign_in("data_scientist", "manager")) == {"board-000": ("open", "adjudication")}


def test_unsure_counts_as_an_answer_and_escalates(queue: Queue, sign_in: SignIn) -> None:
    queue(1)
    an, binh = sign_in("inspector", "an"), sign_in("inspector", "binh")
    decided = an.review_tasks.decide(an.review_tasks.claim("boards")[0], verb="unsure", comment="glare")
    assert decided.task_state == "done"
    [task] = binh.review_tasks.claim("boards", modes=["adjudicate"])
    assert task.opinions is not None
    assert {one.verb for one in task.opinions} == {"unsure", "label"}


def test_a_skipped_item_goes_to_somebody_else_and_leaves_after_two(queue: Queue, sign_in: SignIn) -> None:
    queue(1)
    an, binh = sign_in("inspector", "an"), sign_in("inspector", "binh")
    [task] = an.review_tasks.claim("boards")
    assert an.review_tasks.decide(task, verb="skip", comment="picture is black").task_state == "open"
    assert an.review_tasks.claim("boards") == []
    [task] = binh.review_tasks.claim("boards")
    assert binh.review_tasks.decide(task, verb="skip", comment="black").task_state == "skipped"


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ({"skip_reason": "unclear", "comment": "glare"}, ("unclear", "glare")),
        ({"comment": "Mẫu thiếu, sai hoặc hỏng: đen: hẳn"}, ("damaged", "đen: hẳn")),
        ({"comment": "Not my field"}, ("not_mine", None)),
        ({"comment": "Note: not my field"}, (None, "Note: not my field")),
        ({}, (None, None)),
    ],
)
def test_a_skip_keeps_reason_and_comment_apart_also_from_a_bench_that_wrote_them_as_one(
    queue: Queue, sign_in: SignIn, sent: dict[str, Any], stored: tuple[str | None, str | None]
) -> None:
    queue(1)
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("boards")
    inspector.review_tasks.decide(task, verb="skip", **sent)
    [row] = sign_in("data_scientist", "manager").decisions.list("boards")
    assert (row.skip_reason, row.comment) == stored


def test_reveal_comes_after_the_first_answer_and_both_answers_stay(queue: Queue, sign_in: SignIn) -> None:
    queue(1, champion="short", mode="reveal")
    inspector, manager = sign_in("inspector"), sign_in("data_scientist", "manager")
    [task] = inspector.review_tasks.claim("boards")
    assert "short" not in task.model_dump_json(exclude={"labels"})
    first = inspector.review_tasks.decide(task, "ok")
    assert first.reveal is not None
    assert (first.reveal.prediction, first.reveal.agrees) == ("short", False)
    assert inspector.review_tasks.decide(task, "short").outcome == "revealed"
    blind, revealed = manager.decisions.list("boards")
    assert [(one.label, one.seen, one.is_evidence) for one in (blind, revealed)] == [
        ("ok", "blind", True),
        ("short", "revealed", False),
    ]


@pytest.mark.parametrize("reason", ["gold", "repeat", "injected"])
def test_planted_items_are_no_evidence_and_start_no_dispute(queue: Queue, sign_in: SignIn, reason: str) -> None:
    queue(1, champion="short", reason=reason)
    inspector, manager = sign_in("inspector"), sign_in("data_scientist", "manager")
    inspector.review_tasks.decide(inspector.review_tasks.claim("boards")[0], "ok")
    assert manager.decisions.list("boards") == []
    [planted] = manager.decisions.list("boards", planted=True)
    assert (planted.is_planted, planted.is_evidence) == (True, False)
    assert manager.review_tasks.list("boards", mode="adjudicate") == []


def test_undo_goes_ten_deep_and_keeps_what_was_said(queue: Queue, sign_in: SignIn) -> None:
    queue(11)
    inspector, manager = sign_in("inspector"), sign_in("data_scientist", "manager")
    done = []
    for _ in range(11):
        [task] = inspector.review_tasks.claim("boards")
        inspector.review_tasks.decide(task, "ok")
        done.append(task.id)
    undone = [inspector.review_tasks.undo("boards") for _ in range(10)]
    assert [task.id for task in undone] == done[:0:-1]
    assert undone[0].previous_label == "ok"
    with pytest.raises(ApiError) as nothing:
        inspector.review_tasks.undo("boards")
    assert (nothing.value.status, nothing.value.code) == (409, "nothing_to_undo")
    again = inspector.review_tasks.decide(undone[0], "open")
    assert again.outcome == "counted"
    old = [one for one in manager.decisions.list("boards", superseded=True) if one.task_id == undone[0].id]
    assert old[0].superseded_by == again.decision_id
    assert len(manager.decisions.list("boards")) == 2


def test_undo_takes_the_dispute_out_of_the_queue_and_a_new_answer_brings_it_back(queue: Queue, sign_in: SignIn) -> None:
    queue(1, champion="short")
    inspector, manager = sign_in("inspector"), sign_in("data_scientist", "manager")
    [task] = inspector.review_tasks.claim("boards")
    inspector.review_tasks.decide(task, "ok")
    assert [one.state for one in manager.review_tasks.list("boards", mode="adjudicate")] == ["open"]
    reopened = inspector.review_tasks.undo()
    assert [one.state for one in manager.review_tasks.list("boards", mode="adjudicate")] == ["skipped"]
    inspector.review_tasks.decide(reopened, "open")
    assert [one.state for one in manager.review_tasks.list("boards", mode="adjudicate")] == ["open"]


def test_undoing_an_adjudication_withdraws_its_truth(queue: Queue, sign_in: SignIn) -> None:
    queue(1, champion="short")
    an, binh, manager = sign_in("inspector", "an"), sign_in("inspector", "binh"), sign_in("data_scientist", "manager")
    an.review_tasks.decide(an.review_tasks.claim("boards")[0], "ok")
    binh.review_tasks.decide(binh.review_tasks.claim("boards", modes=["adjudicate"])[0], "short")
    task = binh.review_tasks.undo()
    assert truths(manager) == {}
    binh.review_tasks.decide(task, "open")
    assert truths(manager) == {"board-000": ("open", "adjudication")}


def test_undoing_half_of_a_consensus_withdraws_it(queue: Queue, sign_in: SignIn) -> None:
    queue(1, n_wanted=2)
    people, manager = [sign_in("inspector", name) for name in ("an", "binh")], sign_in("data_scientist", "manager")
    for person in people:
        person.review_tasks.decide(person.review_tasks.claim("boards")[0], "open")
    assert truths(manager) == {"board-000": ("open", "consensus")}
    people[0].review_tasks.undo()
    assert truths(manager) == {}


def test_deciding_an_unknown_task_is_not_found(boards: str, sign_in: SignIn) -> None:
    with pytest.raises(ApiError) as missing:
        sign_in("inspector").transport.request(
            "POST", "/v1/review-tasks/nothing/decide", json={"lease_token": "x", "label": "ok"}
        )
    assert missing.value.status == 404

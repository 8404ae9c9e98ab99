"""Decisions made elsewhere, late labels and corrections."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from backend.client import ApiError, Client
from backend.decisions.schemas import DecisionIn
from backend.ground_truth.schemas import TruthIn
from db.base import utc_now

pytestmark = pytest.mark.each_database

SignIn = Callable[..., Client]


@pytest.fixture
def client(sign_in: SignIn) -> Client:
    made = sign_in("data_scientist", "manager")
    made.models.create(name="boards", item_kind="image", labels=[{"name": "ok"}, {"name": "short"}])
    return made


def decision(**more: object) -> DecisionIn:
    return DecisionIn.model_validate({"subject_id": "s1", "judge": "person:an", "label": "ok", **more})


def test_a_decision_for_a_subject_that_nobody_knows_is_kept(client: Client) -> None:
    answer = client.decisions.send("boards", [decision(duration_ms=1200, decided_at="2026-03-01T08:00:00Z")])
    assert answer.results[0].is_subject_known is False
    [stored] = client.decisions.list("boards")
    assert (stored.judge, stored.label, stored.duration_ms) == ("person:an", "ok", 1200)
    assert stored.decided_at.isoformat() == "2026-03-01T08:00:00+00:00"


@pytest.mark.parametrize(
    ("more", "is_evidence"),
    [({}, False), ({"pi": 0}, False), ({"pi": 0.3}, True), ({"pi": 0.3, "seen": "revealed"}, False)],
)
def test_only_blind_answers_with_a_probability_are_evidence_and_the_answer_says_why(
    client: Client, more: dict[str, object], is_evidence: bool
) -> None:
    [result] = client.decisions.send("boards", [decision(**more)]).results
    assert result.is_evidence is is_evidence
    assert (result.why_not_evidence is None) is is_evidence


def test_the_same_key_counts_once_and_another_decision_under_it_is_refused(client: Client) -> None:
    one = decision(idempotency_key="k")
    assert client.decisions.send("boards", [one, one]).n_duplicates == 1
    assert client.decisions.send("boards", [one]).n_duplicates == 1
    other = client.decisions.send("boards", [decision(label="short", idempotency_key="k")])
    assert other.results[0].code == "idempotency_conflict"
    assert len(client.decisions.list("boards")) == 1


def test_bad_rows_are_named_by_place_and_the_good_ones_stay(client: Client) -> None:
    ahead = (utc_now() + timedelta(days=2)).isoformat()
    answer = client.decisions.send(
        "boards",
        [
            decision(label="scratch"),
            decision(),
            decision(decided_at=ahead),
            decision(label=None),
            decision(verb="skip"),
        ],
    )
    assert [one.status for one in answer.results] == ["refused", "stored", "refused", "refused", "refused"]
    assert [one.code for one in answer.results if one.code] == [
        "unknown_label", "in_the_future", "label_missing", "label_not_expected",
    ]  # fmt: skip


@pytest.mark.parametrize("judge", ["user:123", "an", "person:", "predictor: "])
def test_nobody_can_speak_for_a_signed_in_person(client: Client, judge: str) -> None:
    body = {"model": "boards", "decisions": [{"subject_id": "s", "judge": judge, "label": "ok"}]}
    with pytest.raises(ApiError) as refused:
        client.transport.request("POST", "/v1/decisions", json=body)
    assert refused.value.status == 422


def test_two_people_elsewhere_who_agree_make_ground_truth_and_predictors_do_not(client: Client) -> None:
    client.decisions.send("boards", [decision(judge="predictor:old"), decision(judge="predictor:api", label="short")])
    client.decisions.send("boards", [decision()])
    assert client.ground_truth.list("boards") == []
    client.decisions.send("boards", [decision(judge="person:binh")])
    [truth] = client.ground_truth.list("boards")
    assert (truth.label, truth.method) == ("ok", "consensus")


def test_two_people_elsewhere_who_differ_are_adjudicated(client: Client) -> None:
    client.decisions.send("boards", [decision(), decision(judge="person:binh", label="short")])
    [task] = client.review_tasks.list("boards", mode="adjudicate")
    assert {one["label"] for one in task.answers} == {"ok", "short"}


def test_a_correction_is_a_new_row_and_the_old_one_stays(client: Client) -> None:
    first = client.ground_truth.send("boards", [TruthIn(subject_id="s1", label="ok")])
    second = client.ground_truth.send("boards", [TruthIn(subject_id="s1", label="short", method="corrected")])
    assert second.results[0].replaces == first.results[0].id
    assert [one.label for one in client.ground_truth.list("boards")] == ["short"]
    history = client.ground_truth.list("boards", subject_id="s1", history=True)
    assert [(one.label, one.is_current) for one in history] == [("ok", False), ("short", True)]


def test_the_same_label_again_changes_nothing_and_a_wrong_one_is_refused(client: Client) -> None:
    truth = TruthIn(subject_id="s1", label="ok")
    client.ground_truth.send("boards", [truth])
    answer = client.ground_truth.send("boards", [truth, TruthIn(subject_id="s2", label="scratch")])
    assert [one.status for one in answer.results] == ["unchanged", "refused"]


def test_a_late_label_ends_the_dispute(client: Client) -> None:
    client.decisions.send("boards", [decision(), decision(judge="person:binh", label="short")])
    client.ground_truth.send("boards", [TruthIn(subject_id="s1", label="ok")])
    assert [one.state for one in client.review_tasks.list("boards", mode="adjudicate")] == ["skipped"]


def test_pages_follow_each_other_without_gaps(client: Client) -> None:
    client.decisions.send("boards", [decision(subject_id=f"s{number}") for number in range(7)])
    first = client.decisions.list("boards", limit=4)
    rest = client.decisions.list("boards", limit=4, after=first[-1].id)
    assert [one.subject_id for one in first + rest] == [f"s{number}" for number in range(7)]


def test_inspectors_may_neither_send_nor_read_labels(client: Client, sign_in: SignIn) -> None:
    inspector = sign_in("inspector")
    for call in (
        lambda: inspector.decisions.send("boards", [decision()]),
        lambda: inspector.decisions.list("boards"),
        lambda: inspector.ground_truth.send("boards", [TruthIn(subject_id="s", label="ok")]),
        lambda: inspector.ground_truth.list("boards"),
    ):
        with pytest.raises(ApiError) as refused:
            call()
        assert refused.value.status == 403

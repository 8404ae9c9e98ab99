"""When the machine's answer is shown: after the own one, to whom the mode shows it, and it is all written down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backend.client import ApiError, Client
from backend.models.schemas import ModelCreate, ModelPatch
from db.engine import Database
from db.models.model import Model
from db.models.review import ReviewTask, Subject
from tests.review_tasks.conftest import model_row

SignIn = Callable[..., Client]
Queue = Callable[..., list[str]]


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(ApiError) as refused:
        call()
    return refused.value.code


def write_up(database: Database, kind: str, answers: list[dict[str, Any]], mode: str = "assist") -> None:
    """A model whose answers are written, with one item."""
    with database.write() as session:
        model = Model(name="speech", item_kind=kind, output_kind="text")
        session.add(model)
        session.flush()
        session.add(Subject(model_id=model.id, subject_id="call-1"))
        session.add(
            ReviewTask(
                model_id=model.id, subject_id="call-1", reason="random_audit", mode=mode, pi=0.5, answers=answers
            )
        )


@pytest.mark.parametrize("mode", ["assist", "reveal"])
def test_both_answers_and_times_are_stored_and_only_the_blind_one_is_evidence(
    queue: Queue, sign_in: SignIn, mode: str
) -> None:
    queue(1, champion="short", mode=mode)
    inspector, manager = sign_in("inspector"), sign_in("data_scientist", "manager")
    [task] = inspector.review_tasks.claim("boards")
    first = inspector.review_tasks.decide(task, "ok", duration_ms=1200)
    assert first.reveal is not None
    second = inspector.review_tasks.decide(task, "ok", duration_ms=400, revealed_ms=1300)
    assert second.outcome == "revealed"
    blind, revealed = manager.decisions.list("boards")
    assert [(one.label, one.seen, one.duration_ms, one.is_evidence) for one in (blind, revealed)] == [
        ("ok", "blind", 1200, True),
        ("ok", "revealed", 400, False),
    ]
    assert "revealed_at" in blind.details
    assert revealed.details["revealed_ms"] == 1300
    assert inspector.review_tasks.progress("boards").done_today == 1


def test_an_answer_taken_back_after_the_reveal_is_not_blind_the_second_time(queue: Queue, sign_in: SignIn) -> None:
    queue(1, champion="short", mode="assist")
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("boards")
    inspector.review_tasks.decide(task, "ok", idempotency_key="one")
    again = inspector.review_tasks.undo("boards")
    assert inspector.review_tasks.decide(again, "short").outcome == "counted"
    stored = sign_in("data_scientist", "manager").decisions.list("boards")
    assert [(one.label, one.seen, one.is_evidence) for one in stored] == [("short", "assisted", False)]


def test_a_second_answer_taken_back_leaves_the_first_in_force_and_the_item_closed(
    queue: Queue, sign_in: SignIn
) -> None:
    queue(1, champion="short", mode="assist")
    inspector, manager = sign_in("inspector"), sign_in("data_scientist", "manager")
    [task] = inspector.review_tasks.claim("boards")
    inspector.review_tasks.decide(task, "ok", idempotency_key="one")
    inspector.review_tasks.decide(task, "short", idempotency_key="two")
    undo = {"model": "boards", "answer": "two"}
    for _ in range(2):  # sent again after a lost answer it says the same
        assert inspector.transport.request("POST", "/v1/review-tasks/undo", json=undo).json()["id"] == task.id
    assert [(one.label, one.seen) for one in manager.decisions.list("boards")] == [("ok", "blind")]
    assert [one.state for one in manager.review_tasks.list("boards", mode="assist")] == ["done"]
    assert inspector.review_tasks.decide(task, "open", idempotency_key="three").outcome == "revealed"


def test_the_share_that_stays_blind_shows_nothing_to_anybody(
    queue: Queue, sign_in: SignIn, database_of_app: Database
) -> None:
    manager = sign_in("data_scientist", "manager")
    queue(1, champion="short", mode="assist")
    manager.models.change("boards", ModelPatch(settings={"bench": {"blind_share": 1}}))
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("boards")
    assert task.mode == "assist"  # nobody can tell before
    decided = inspector.review_tasks.decide(task, "ok")
    assert (decided.outcome, decided.reveal) == ("counted", None)
    assert refusal(lambda: inspector.review_tasks.reveal(task)) == "stays_blind"
    assert inspector.review_tasks.decide(task, "short").outcome == "corrected"
    assert manager.decisions.list("boards")[0].details["stayed_blind"] is True
    assert model_row(database_of_app).settings["bench"] == {"blind_share": 1}


def test_looking_up_needs_an_own_answer_and_is_written_down_with_its_time(queue: Queue, sign_in: SignIn) -> None:
    queue(1, champion="short", mode="reveal", n_wanted=2)
    an, binh = sign_in("inspector", "an"), sign_in("inspector", "binh")
    [task] = an.review_tasks.claim("boards")
    assert refusal(lambda: an.review_tasks.reveal(task, 500)) == "answer_first"
    an.review_tasks.decide(task, "ok")
    assert an.review_tasks.reveal(task, 2500).prediction == "short"
    assert refusal(lambda: binh.review_tasks.reveal(task)) == "answer_first"
    [row] = sign_in("data_scientist", "manager").decisions.list("boards")
    assert [look["after_ms"] for look in row.details["looks"]] == [2500]


def test_blind_items_never_show_the_machines_answer(queue: Queue, sign_in: SignIn) -> None:
    queue(1, champion="short", mode="blind")
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("boards")
    seen = task.model_dump_json(exclude={"labels"}) + inspector.review_tasks.context(task).model_dump_json()
    decided = inspector.review_tasks.decide(task, "ok")
    assert "short" not in seen + decided.model_dump_json()
    assert refusal(lambda: inspector.review_tasks.reveal(task)) == "stays_blind"


def test_transcripts_are_shown_as_hypotheses_without_names_and_their_error_rates_are_kept(
    sign_in: SignIn, database_of_app: Database
) -> None:
    said = [("v1", "seven of nine"), ("v2", "seven of mine"), ("v3", "seven of nine")]
    write_up(database_of_app, "audio", [{"version": name, "prediction": text, "score": 0.8} for name, text in said])
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("speech")
    first = inspector.review_tasks.decide(task, "seven of nine")
    assert first.reveal is not None
    assert {one.text: one.wer for one in first.reveal.hypotheses} == {
        "seven of nine": 0.0,
        "seven of mine": pytest.approx(1 / 3),
    }
    told = first.reveal.model_dump()
    assert [told[name] for name in ("version", "prediction", "score", "agrees")] == [None] * 4
    name = next(one.name for one in first.reveal.hypotheses if one.text == "seven of mine")
    inspector.review_tasks.decide(task, "seven of mine", chosen=name)
    rows = sign_in("data_scientist", "manager").decisions.list("speech")
    assert rows[1].details["chosen"] == ["v2"]
    assert rows[1].details["wer"] == {"v1": pytest.approx(1 / 3), "v2": 0.0, "v3": pytest.approx(1 / 3)}


def test_a_transcript_of_two_thousand_letters_is_stored_whole(sign_in: SignIn, database_of_app: Database) -> None:
    write_up(database_of_app, "audio", [], mode="blind")
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("speech")
    text = "ố " * 999 + "ố!"
    inspector.review_tasks.decide(task, text)
    assert sign_in("data_scientist", "manager").decisions.list("speech")[0].label == text
    body = {"lease_token": task.lease_token, "label": text + "x"}
    path = f"/v1/review-tasks/{task.id}/decide"
    assert refusal(lambda: inspector.transport.request("POST", path, json=body)) == "invalid"


def test_a_number_is_a_number(sign_in: SignIn, database_of_app: Database) -> None:
    wish = {"name": "speech", "item_kind": "tabular", "output_kind": "number"}
    sign_in("data_scientist", "manager").models.create(ModelCreate.model_validate(wish))
    with database_of_app.write() as session:
        model = session.query(Model).one()
        session.add(Subject(model_id=model.id, subject_id="s"))
        session.add(ReviewTask(model_id=model.id, subject_id="s", reason="random_audit", pi=0.5))
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("speech")
    for wrong in ("many", "nan", "inf", "1,5"):
        assert refusal(lambda text=wrong: inspector.review_tasks.decide(task, text)) == "not_a_number"  # type: ignore[misc]
    assert inspector.review_tasks.decide(task, "-1.5e3").outcome == "counted"


def test_places_of_the_inputs_come_with_the_item_and_those_of_the_answer_after_the_own_one(
    sign_in: SignIn, database_of_app: Database
) -> None:
    said = '{"label": "short", "boxes": [{"x": 1, "y": 2, "width": 30, "height": 40, "label": "short"}]}'
    with database_of_app.write() as session:
        model = Model(name="pcb", item_kind="image", output_kind="json", settings={})
        session.add(model)
        session.flush()
        session.add(Subject(model_id=model.id, subject_id="s"))
        item = {"artifact": "a" * 64, "inputs": {"candidate_boxes": "[[5, 6, 7, 8]]"}}
        row = ReviewTask(model_id=model.id, subject_id="s", reason="random_audit", mode="assist", pi=0.5, item=item)
        row.answers = [{"version": "v1", "prediction": said, "score": 0.9}]
        session.add(row)
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("pcb")
    assert [(box.x, box.y, box.width, box.height) for box in task.item.boxes] == [(5, 6, 7, 8)]
    reveal = inspector.review_tasks.decide(task, "fine").reveal
    assert reveal is not None
    assert reveal.prediction == "short"
    assert [(box.x, box.label) for box in reveal.boxes] == [(1, "short")]


def test_two_people_who_keep_their_blind_answers_agree_blind_and_one_who_changes_does_not(
    queue: Queue, sign_in: SignIn
) -> None:
    kept, changed = queue(2, champion="short", mode="assist", n_wanted=2)
    manager = sign_in("data_scientist", "manager")
    for name, second in (("an", "ok"), ("binh", "short")):
        person = sign_in("inspector", name)
        for task in person.review_tasks.claim("boards", 2):
            person.review_tasks.decide(task, "ok")
            person.review_tasks.decide(task, "ok" if task.subject_id == kept else second)
    assert {one.subject_id: (one.label, one.method) for one in manager.ground_truth.list("boards")} == {
        kept: ("ok", "consensus")
    }
    disputed = {one.subject_id for one in manager.review_tasks.list("boards", mode="adjudicate", state="open")}
    assert disputed == {changed}


def test_own_agreement_counts_first_answers_against_the_labels_in_force_and_is_ones_own(
    queue: Queue, sign_in: SignIn
) -> None:
    names = queue(3, champion="short", mode="assist")
    an, binh, manager = sign_in("inspector", "an"), sign_in("inspector", "binh"), sign_in("data_scientist", "manager")
    for task in an.review_tasks.claim("boards", 3):
        an.review_tasks.decide(task, "ok")
        an.review_tasks.decide(task, "short")  # after the reveal: no merit of their own
    labels = zip(names, ("ok", "short", "ok"), strict=True)
    sent = [{"subject_id": name, "label": label, "method": "measured"} for name, label in labels]
    manager.transport.request("POST", "/v1/ground-truth", json={"model": "boards", "truths": sent})
    mine, other = an.review_tasks.progress("boards"), binh.review_tasks.progress("boards")
    assert (mine.n_agreed, mine.n_settled) == (2, 3)
    assert (other.n_agreed, other.n_settled) == (0, 0)

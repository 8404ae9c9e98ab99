"""The levels of the automation ladder in the request path: who answers, how long a caller waits, what holds then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from backend.client import ApiError, Client
from backend.inference.gate import Serving, fall_back, is_accepted, is_asked
from backend.inference.schemas import PredictBody, Prediction
from backend.services import Services
from backend.worker.triage import triage
from db.base import utc_now
from db.models.pending import PendingAnswer
from db.models.review import Decision, ReviewTask
from review.rules.levels import LEVELS
from tests.conftest import on_sqlite
from tests.inference.conftest import HONEST, INVERTED, RAISES, events, model_row, png

Register = Callable[..., None]
SignIn = Callable[..., Client]
#: What the honest version says of x = 2, y = 1, and of x = 9, y = 0.
LOW, HIGH = 0.880797, 1.0


def body(x: float = 2, y: float = 1, **more: Any) -> PredictBody:
    return PredictBody.model_validate({"inputs": {"x": x, "y": y}, **more})


def decide(person: Client, label: str) -> str:
    """The next item of the queue gets a label; its subject."""
    [task] = person.review_tasks.claim("demo", 1, ["blind", "assist"])
    person.review_tasks.decide(task, label, duration_ms=800)
    return task.subject_id


def tasks(soi: Services) -> list[ReviewTask]:
    with soi.database.read() as session:
        return list(session.scalars(select(ReviewTask).order_by(ReviewTask.id)))


def test_people_only_nobody_else_is_asked(
    client: Client, soi: Services, register: Register, roll_out: Register, sign_in: SignIn
) -> None:
    register("v1", RAISES)
    roll_out("v1", level="human_only")
    asked = client.inference.predict("demo", body(subject_id="s1", segments={"line": "L1"}))
    assert (asked.status, asked.prediction, asked.version, asked.decided_by) == ("pending", None, None, None)
    assert asked.pending_url == f"/v1/models/demo/predict/{asked.id}"
    assert events(soi) == []
    [task] = tasks(soi)
    assert (task.reason, task.pi, task.subject_id, task.segments) == ("pending", 1.0, "s1", {"line": "L1"})
    assert task.item["inputs"] == {"x": 2, "y": 1}
    assert client.inference.answer("demo", asked.id).status == "pending"
    assert decide(sign_in("inspector"), "no") == "s1"
    told = client.inference.answer("demo", asked.id)
    assert (told.status, told.prediction, told.decided_by, told.score) == ("answered", "no", "person", None)


def test_people_only_needs_no_champion_but_a_rollout(client: Client, roll_out: Register) -> None:
    with pytest.raises(ApiError) as refused:
        client.inference.predict("demo", body())
    assert refused.value.code == "no_champion"
    for level in ("human_only", "shadow"):
        roll_out(None, level=level)
        assert client.inference.predict("demo", body()).status == "pending"


@pytest.mark.parametrize("level", ["shadow", "assist"])
def test_a_model_that_may_not_act_answers_unseen_and_the_person_is_heard(
    client: Client, soi: Services, register: Register, roll_out: Register, sign_in: SignIn, level: str
) -> None:
    register("v1", HONEST)
    register("v2", INVERTED)
    roll_out("v1", "v2", level=level)
    asked = client.inference.predict("demo", body(subject_id="s1"))
    assert (asked.status, asked.prediction, asked.score, asked.scores) == ("pending", None, None, {})
    assert soi.inference.shadows.wait_until_idle()
    told = {event["role"]: (event["prediction"], event["champion_prediction"]) for event in events(soi)}
    assert told == {"champion": ("yes", None), "shadow": ("no", "yes")}
    assert next(event["event_id"] for event in events(soi) if event["role"] == "champion") == asked.id
    [task] = tasks(soi)
    assert [(one["version"], one["prediction"]) for one in task.answers] == [("v1", "yes")]
    decide(sign_in("inspector"), "no")
    told = client.inference.answer("demo", asked.id)
    assert (told.prediction, told.decided_by) == ("no", "person")


def test_partial_accepts_from_the_threshold_on_and_asks_about_the_rest(
    client: Client, soi: Services, register: Register, roll_out: Register
) -> None:
    register("v1", HONEST)
    for threshold, accepted in ((LOW, True), (LOW + 1e-6, False)):
        roll_out("v1", level="partial", acceptance={"threshold": threshold})
        found = client.inference.predict("demo", body())
        assert (found.status == "answered", found.decided_by == "machine") == (accepted, accepted)
    roll_out("v1", level="partial")
    assert client.inference.predict("demo", body(9, 0)).status == "pending"
    assert len(tasks(soi)) == 2
    assert [event["status"] for event in events(soi)] == ["ok"] * 3


def test_segments_have_levels_of_their_own(client: Client, register: Register, roll_out: Register) -> None:
    register("v1", HONEST)
    own = [{"segment": "line=L1", "level": "shadow", "acceptance": None}]
    roll_out("v1", level="full", segments=own)
    assert client.inference.predict("demo", body(segments={"line": "L1"})).status == "pending"
    assert client.inference.predict("demo", body(segments={"line": "L2"})).status == "answered"


def test_where_people_decide_a_version_that_fails_costs_the_caller_nothing(
    client: Client, soi: Services, register: Register, roll_out: Register
) -> None:
    register("v1", RAISES)
    roll_out("v1", level="partial", acceptance={"threshold": 0.5})
    assert client.inference.predict("demo", body()).status == "pending"
    assert [event["status"] for event in events(soi)] == ["error"]
    with pytest.raises(ApiError) as refused:
        client.inference.predict("demo", PredictBody(inputs={"x": 1}))
    assert refused.value.status == 422
    assert len(tasks(soi)) == 1


def test_nobody_is_asked_about_a_file_that_is_not_here(
    client: Client, soi: Services, roll_out: Register, sign_in: SignIn
) -> None:
    client.models.create(name="eye", item_kind="image", labels=[{"name": "dark"}, {"name": "bright"}])
    client.rollouts.create("eye", automation_level="human_only", reason="test")
    for wrong, reason in (([], "by a file"), (["0" * 64], "not stored here")):
        with pytest.raises(ApiError, match=reason) as refused:
            client.inference.predict("eye", PredictBody(subject_id="s1", artifacts=wrong))
        assert (refused.value.status, refused.value.code) == (422, "unusable_input")
    assert tasks(soi) == []
    sha256 = client.artifacts.upload(png(9), "image/png").sha256
    asked = client.inference.predict("eye", PredictBody(subject_id="s1", artifacts=[sha256]))
    inspector = sign_in("inspector")
    [task] = inspector.review_tasks.claim("eye", 1, ["blind"])
    assert (task.item.artifact, task.item.width) == (sha256, 16)
    inspector.review_tasks.decide(task, "dark", duration_ms=700)
    assert client.inference.answer("eye", asked.id).prediction == "dark"


def test_triage_asks_nobody_twice(
    client: Client, soi: Services, register: Register, roll_out: Register, sign_in: SignIn
) -> None:
    register("v1", HONEST)
    roll_out("v1", level="shadow")
    client.inference.predict("demo", body(0.1, 0, subject_id="s1"))
    triage(soi.database, soi.eventlog, model_row(soi), utc_now())
    [task] = tasks(soi)
    assert (task.reason, task.pi, task.state) == ("pending", 1.0, "open")
    assert [one["prediction"] for one in task.answers] == ["yes"]
    decide(sign_in("inspector"), "yes")
    with soi.database.read() as session:
        [decision] = session.scalars(select(Decision)).all()
    assert (decision.pi, decision.is_evidence, decision.seen) == (1.0, True, "blind")


def test_an_item_that_triage_queued_before_comes_sooner_and_counts_in_full(
    client: Client, soi: Services, register: Register, roll_out: Register
) -> None:
    register("v1", HONEST)
    roll_out("v1")
    client.inference.predict("demo", body(0.1, 0, subject_id="s1"))
    triage(soi.database, soi.eventlog, model_row(soi), utc_now())
    [before] = tasks(soi)
    roll_out("v1", level="shadow")
    client.inference.predict("demo", body(0.1, 0, subject_id="s1"))
    [after] = tasks(soi)
    assert (after.id, after.pi) == (before.id, 1.0)
    assert after.priority < before.priority


def test_what_people_said_of_a_subject_is_answered_at_once(
    client: Client, register: Register, roll_out: Register, sign_in: SignIn
) -> None:
    register("v1", HONEST)
    roll_out("v1", level="shadow")
    client.inference.predict("demo", body(subject_id="s1"))
    decide(sign_in("inspector"), "no")
    again = client.inference.predict("demo", body(subject_id="s1"))
    assert (again.status, again.prediction, again.decided_by) == ("answered", "no", "person")


def test_people_who_differ_are_settled_before_the_caller_hears(
    client: Client, soi: Services, roll_out: Register, sign_in: SignIn
) -> None:
    client.models.change("demo", settings={"review_policy": {"n_wanted": 2}})
    roll_out(None, level="human_only")
    asked = client.inference.predict("demo", body(subject_id="s1"))
    for name, label in (("an", "yes"), ("binh", "no")):
        assert client.inference.answer("demo", asked.id).status == "pending"
        decide(sign_in("inspector", name), label)
    assert client.inference.answer("demo", asked.id).status == "pending"
    [task] = sign_in("inspector", "chi").review_tasks.claim("demo", 1, ["adjudicate"])
    sign_in("inspector", "chi").review_tasks.decide(task, "no")
    assert client.inference.answer("demo", asked.id).prediction == "no"


def let_time_pass(soi: Services) -> None:
    """The deadlines of all requests that wait are over."""
    with soi.database.write() as session:
        session.execute(update(PendingAnswer).values(deadline_at=utc_now() - timedelta(seconds=1)))


@pytest.mark.parametrize(
    ("level", "serving", "outcome"),
    [
        ("assist", {"fallback": "machine"}, ("answered", "yes", "machine")),
        ("shadow", {"fallback": "machine"}, ("expired", None, None)),
        ("human_only", {"fallback": "machine"}, ("expired", None, None)),
        ("human_only", {"fallback": "label", "label": "no"}, ("answered", "no", "fallback")),
        ("assist", {}, ("expired", None, None)),
    ],
)
def test_when_the_time_is_over_the_declared_fallback_holds_for_good(
    client: Client,
    soi: Services,
    register: Register,
    roll_out: Register,
    sign_in: SignIn,
    level: str,
    serving: dict[str, Any],
    outcome: tuple[str, str | None, str | None],
) -> None:
    client.models.change("demo", settings={"serving": {"deadline_s": 60, **serving}})
    register("v1", HONEST)
    roll_out("v1", level=level)
    begun = utc_now()
    asked = client.inference.predict("demo", body())
    assert asked.deadline_at is not None
    assert timedelta(seconds=59) < asked.deadline_at - begun < timedelta(seconds=75)
    let_time_pass(soi)
    for _ in range(2):
        told = client.inference.answer("demo", asked.id)
        assert (told.status, told.prediction, told.decided_by) == outcome
        if outcome[2] == "machine":
            assert (told.version, told.score) == ("v1", pytest.approx(LOW))
        if _ == 0:
            decide(sign_in("inspector"), "bright")


@on_sqlite
def test_a_caller_who_waits_hears_as_soon_as_somebody_decided(
    client: Client, roll_out: Register, sign_in: SignIn, app: TestClient
) -> None:
    roll_out(None, level="human_only")
    asked = client.inference.predict("demo", body(subject_id="s1"))
    heard: list[Prediction] = []
    waiter = threading.Thread(target=lambda: heard.append(client.inference.answer("demo", asked.id, wait_s=30)))
    waiter.start()
    inspector = sign_in("inspector")
    decide(inspector, "yes")
    waiter.join(25)
    assert [(one.status, one.prediction) for one in heard] == [("answered", "yes")]
    waiter = threading.Thread(
        target=lambda: heard.append(client.inference.predict("demo", body(subject_id="s2", wait_s=30)))
    )
    waiter.start()
    while not (claimed := inspector.review_tasks.claim("demo", 1, ["blind"])):
        assert waiter.is_alive()
    inspector.review_tasks.decide(claimed[0], "no", duration_ms=500)
    waiter.join(25)
    assert [(one.status, one.prediction) for one in heard[1:]] == [("answered", "no")]
    short = client.inference.predict("demo", body(wait_s=0.05))
    assert short.status == "pending"


@on_sqlite
def test_pending_and_answered_have_their_own_status_and_keys_hold(
    app: TestClient, client: Client, register: Register, roll_out: Register, sign_in: SignIn
) -> None:
    register("v1", HONEST)
    roll_out("v1", level="shadow")
    http: Any = client._http
    sent = http.post("/v1/models/demo/predict", json={"inputs": {"x": 2, "y": 1}})
    assert sent.status_code == 202
    url = sent.json()["pending_url"]
    assert http.get(url).status_code == 202
    decide(sign_in("inspector"), "yes")
    assert http.get(url).status_code == 200
    assert http.get("/v1/models/demo/predict/nobody").json()["error"]["code"] == "not_found"
    client.models.create(name="other", item_kind="tabular")
    client.rollouts.create("other", reason="test")
    assert http.get(url.replace("demo", "other")).status_code == 404
    with pytest.raises(ApiError) as refused:
        sign_in("inspector").inference.answer("demo", sent.json()["id"])
    assert refused.value.status == 403


@on_sqlite
@pytest.mark.parametrize(
    "serving",
    [
        {"fallback": "machine"},
        {"deadline_s": 0, "fallback": "none"},
        {"deadline_s": 60, "fallback": "label"},
        {"deadline_s": 60, "fallback": "label", "label": "purple"},
        {"deadline_s": 60, "fallback": "machine", "label": "no"},
        {"deadline_s": 60, "mood": "good"},
    ],
)
def test_an_impossible_declaration_is_refused(client: Client, serving: dict[str, Any]) -> None:
    for change in (
        lambda: client.models.change("demo", settings={"serving": serving}),
        lambda: client.models.create(
            name="new", item_kind="tabular", labels=[{"name": "no"}, {"name": "yes"}], settings={"serving": serving}
        ),
    ):
        with pytest.raises(ApiError) as refused:
            change()
        assert (refused.value.status, refused.value.code) == (422, "bad_serving")


@on_sqlite
def test_over_the_open_inference_protocol_items_say_that_they_are_pending(
    client: Client, register: Register, roll_out: Register, sign_in: SignIn
) -> None:
    register("v1", HONEST)
    roll_out("v1", level="partial", acceptance={"threshold": 0.9})
    http: Any = client._http
    table = {"name": "inputs", "shape": [2, 2], "datatype": "FP64", "data": [[2, 1], [9, 0]]}
    answer = http.post("/v2/models/demo/infer", json={"inputs": [table]})
    outputs = {one["name"]: one["data"] for one in answer.json()["outputs"]}
    assert (outputs["status"], outputs["label"]) == (["pending", "answered"], ["", "yes"])
    assert outputs["score"] == [None, pytest.approx(HIGH, abs=1e-6)]
    assert outputs["scores"][:2] == [None, None]
    decide(sign_in("inspector"), "no")
    assert client.inference.answer("demo", outputs["event_id"][0]).prediction == "no"
    wrong = http.post("/v2/models/demo/infer", json={"inputs": [table], "parameters": {"wait_s": "long"}})
    assert (wrong.status_code, "wait_s" in wrong.json()["error"]) == (422, True)


def test_only_the_levels_above_people_let_the_machine_act() -> None:
    assert [level for level in LEVELS if is_accepted(level, 0.5, "ok", 0.9)] == ["partial", "full"]
    assert [level for level in LEVELS if is_accepted(level, None, "ok", 0.9)] == ["full"]
    assert [level for level in LEVELS if is_accepted(level, 0.5, None, 0.9)] == ["full"]
    assert [level for level in LEVELS if is_accepted(level, 0.5, "ok", None)] == ["full"]
    assert [level for level in LEVELS if is_asked(level)] == ["shadow", "assist", "partial", "full"]
    falls = [fall_back({"kind": "machine"}, level, {"prediction": 0.0})[0] for level in LEVELS]
    assert falls == ["nobody", "nobody", "machine", "machine", "machine"]
    assert Serving.declared({}).deadline(utc_now()) is None

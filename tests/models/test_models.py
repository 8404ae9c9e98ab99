"""Models through the API: what is accepted, what is refused, and what may change once there is history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backend.client import ApiError, Client
from db.engine import Database
from db.models.review import Decision
from db.repositories import models

SignIn = Callable[..., Client]
LABELS = [{"name": "OK"}, {"name": "short", "is_defect": True, "title": {"en": "Short", "vi": "Chập mạch"}}]


def body(**changes: Any) -> dict[str, Any]:
    return {"name": "pcb", "item_kind": "image", "labels": LABELS} | changes


def refusal(client: Client, method: str, path: str, json: dict[str, Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        client.transport.request(method, path, json=json)
    return caught.value


def test_created_model_is_read_back_as_it_was_sent(sign_in: SignIn) -> None:
    client = sign_in("data_scientist")
    made = client.models.create(
        **body(
            inputs=[{"name": "hours per week", "type": "number", "minimum": 0, "maximum": 168}],
            segment_keys=["line"],
            metrics=["loss"],
            null_outputs=["", [], "unknown"],
            title={"vi": "Kiểm tra bo mạch"},
        )
    )
    read = client.models.get("pcb")
    assert read == made
    assert read.inputs[0].maximum == 168
    assert read.null_outputs == ["", [], "unknown"]
    assert read.title == {"vi": "Kiểm tra bo mạch"}
    assert [model.name for model in client.models.list()] == ["pcb"]


def test_labels_without_keys_get_the_free_digits_in_order(sign_in: SignIn) -> None:
    labels = [{"name": "a"}, {"name": "b", "key": 1}, {"name": "c"}]
    made = sign_in("admin").models.create(**body(labels=labels))
    assert [label.key for label in made.labels] == ["2", "1", "3"]


def test_second_model_of_a_name_answers_409(sign_in: SignIn) -> None:
    client = sign_in("admin")
    client.models.create(**body())
    error = refusal(client, "POST", "/v1/models", body())
    assert (error.status, error.code) == (409, "name_taken")


@pytest.mark.parametrize(
    "wrong",
    [
        {"metrics": ["\u00e9", "e\u0301"]},
        {"metrics": ["depth", "Depth"]},
        {"inputs": [{"name": "part", "type": "string", "categories": ["a", "a"]}]},
        {"inputs": [{"name": "part", "type": "string", "categories": [str(n) for n in range(10_001)]}]},
        {"inputs": [{"name": "part", "type": "number", "categories": ["a"]}]},
        {"labels": [{"name": "OK"}, {"name": "ok"}]},
        {"labels": [{"name": "OK", "key": 1}, {"name": "short", "key": 1}]},
        {"labels": [{"name": "OK"}]},
        {"labels": [{"name": "OK"}, {"name": "a\nb"}]},
        {"labels": [{"name": "OK"}, {"name": "bad", "colour": "red"}]},
        {"labels": LABELS, "output_kind": "number"},
        {"inputs": [{"name": "x", "type": "number"}, {"name": "X", "type": "string"}]},
        {"inputs": [{"name": "x", "type": "float"}]},
        {"inputs": [{"name": "x", "type": "string", "minimum": 1}]},
        {"inputs": [{"name": "x", "type": "number", "minimum": 2, "maximum": 1}]},
        {"inputs": [{"name": 'x" or 1=1', "type": "number"}]},
        {"segment_keys": ["line", "LINE"]},
        {"name": "PCB"},
        {"name": "../etc"},
        {"name": ""},
        {"name": "x" * 101},
        {"item_kind": "video"},
        {"id": "chosen-by-caller"},
        {"settings": {"a": "\u0000"}},
        {"null_outputs": [10**30]},
    ],
)
def test_wrong_model_is_refused_and_not_stored(sign_in: SignIn, wrong: dict[str, Any]) -> None:
    client = sign_in("admin")
    error = refusal(client, "POST", "/v1/models", body(**wrong))
    assert (error.status, error.code) == (422, "invalid")
    assert client.models.list() == []


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400", '"\\ud800"', "9" * 40])
def test_number_or_text_that_no_database_holds_is_refused(sign_in: SignIn, value: str) -> None:
    sent = '{"name": "pcb", "item_kind": "tabular", "settings": {"x": ' + value + "}}"
    client = sign_in("admin")
    with pytest.raises(ApiError) as caught:
        client.transport.request("POST", "/v1/models", content=sent, headers={"Content-Type": "application/json"})
    assert caught.value.status in {400, 422}


def test_input_may_not_change_its_type(sign_in: SignIn) -> None:
    client = sign_in("admin")
    client.models.create(**body(inputs=[{"name": "x", "type": "number"}]))
    error = refusal(client, "PATCH", "/v1/models/pcb", {"inputs": [{"name": "x", "type": "string"}]})
    assert (error.status, error.code) == (409, "input_type_changed")
    assert client.models.get("pcb").inputs[0].type == "number"


def test_added_input_raises_the_schema_version_and_an_unchanged_patch_does_not(sign_in: SignIn) -> None:
    client = sign_in("admin")
    client.models.create(**body(inputs=[{"name": "x", "type": "number"}]))
    inputs = [{"name": "x", "type": "number"}, {"name": "y", "type": "time"}]
    assert client.models.change("pcb", inputs=inputs).schema_version == 2
    assert client.models.change("pcb", inputs=inputs).schema_version == 2
    assert client.models.change("pcb", title={"en": "Boards"}).schema_version == 2


def test_label_is_removable_until_somebody_decided(sign_in: SignIn, database: Database) -> None:
    client = sign_in("admin")
    client.models.create(**body(labels=[*LABELS, {"name": "spur"}]))
    assert len(client.models.change("pcb", labels=LABELS).labels) == 2
    with database.write() as session:
        model = models.find_model(session, "pcb")
        assert model is not None
        session.add(Decision(model_id=model.id, subject_id="s1", judge="person:1", label="OK"))
    error = refusal(client, "PATCH", "/v1/models/pcb", {"labels": [{"name": "OK"}, {"name": "bridge"}]})
    assert (error.status, error.code) == (409, "in_use")
    assert error.details["removed"] == {"labels": ["short"]}
    client.models.change("pcb", labels=[*LABELS, {"name": "bridge"}])


def test_locked_schema_refuses_new_inputs_until_it_is_unlocked(sign_in: SignIn) -> None:
    client = sign_in("admin")
    client.models.create(**body(is_schema_locked=True))
    new = {"inputs": [{"name": "x", "type": "number"}]}
    assert refusal(client, "PATCH", "/v1/models/pcb", new).code == "schema_locked"
    assert client.models.change("pcb", is_schema_locked=False, **new).inputs[0].name == "x"


def test_unknown_model_answers_404(sign_in: SignIn) -> None:
    with pytest.raises(ApiError) as caught:
        sign_in("viewer").models.get("absent")
    assert caught.value.status == 404

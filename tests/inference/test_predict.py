"""Serving through the API: answers, refusals, failures, and that everything is logged before it leaves."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from sqlalchemy import select

from backend.client import ApiError, Client
from backend.inference.schemas import PredictBody
from backend.services import Services
from db.models.model import ModelVersion
from tests.inference.conftest import BRIGHT, HANGS, HONEST, IMAGE, INVERTED, NOT_A_NUMBER, RAISES, THREE, events, png

Register = Callable[..., None]


def body(x: float, y: float, **more: Any) -> PredictBody:
    return PredictBody.model_validate({"inputs": {"x": x, "y": y}, **more})


def test_the_champion_answers_with_label_and_scores_and_the_event_is_stored(
    client: Client, soi: Services, register: Register, roll_out: Register
) -> None:
    register("v1", HONEST)
    roll_out("v1")
    answer = client.inference.predict("demo", body(2, 1, subject_id="s1", request_id="r1"))
    assert (answer.prediction, answer.version, answer.subject_id) == ("yes", "v1", "s1")
    assert answer.score == pytest.approx(0.880797, abs=1e-6)
    assert answer.scores == pytest.approx({"no": 0.119203, "yes": 0.880797}, abs=1e-6)
    [event] = events(soi)
    assert event["event_id"] == answer.id
    assert (event["role"], event["status"], event["prediction"], event["request_id"]) == (
        "champion", "ok", "yes", "r1",
    )  # fmt: skip
    assert event["latency_ms"] == pytest.approx(answer.latency_ms)
    assert event["in_x"] == 2


def test_a_new_rollout_answers_within_a_second(
    client: Client, soi: Services, register: Register, roll_out: Register
) -> None:
    register("v1", HONEST)
    register("v2", INVERTED)
    roll_out("v1")
    assert client.inference.predict("demo", body(2, 1)).prediction == "yes"
    client.rollouts.create("demo", champion="v2", automation_level="full", reason="test")
    deadline = time.monotonic() + 1.0
    while client.inference.predict("demo", body(2, 1)).version != "v2":
        assert time.monotonic() < deadline


def test_a_picture_is_judged_by_its_artifact(
    client: Client, soi: Services, register: Register, roll_out: Register
) -> None:
    register("v1", BRIGHT, IMAGE)
    roll_out("v1")
    for brightness, label in ((10, "dark"), (240, "bright")):
        sha256 = soi.artifacts.put(png(brightness))
        assert client.inference.predict("demo", PredictBody(artifacts=[sha256])).prediction == label
    assert events(soi)[0]["artifacts"] == [soi.artifacts.put(png(10))]


def test_an_exported_program_answers_like_its_script(
    client: Client, soi: Services, register: Register, roll_out: Register
) -> None:
    network = torch.nn.Linear(2, 2, bias=False)
    network.weight.data = torch.tensor([[-1.0, 1.0], [1.0, -1.0]])
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(network, (torch.zeros(1, 2),)), buffer)
    register("v1", buffer.getvalue(), kind="pt2")
    roll_out("v1")
    assert client.inference.predict("demo", body(2, 1)).scores["yes"] == pytest.approx(0.880797, abs=1e-6)


@pytest.mark.parametrize(
    ("source", "status", "code"),
    [(NOT_A_NUMBER, 502, "version_failed"), (THREE, 502, "version_failed"), (RAISES, 502, "version_failed")],
    ids=["not a number", "three outputs for two labels", "raises"],
)
def test_a_version_that_fails_is_a_502_with_its_reason_in_the_log(
    client: Client, soi: Services, register: Register, roll_out: Register, source: str, status: int, code: str
) -> None:
    register("v1", source)
    roll_out("v1")
    with pytest.raises(ApiError) as failed:
        client.inference.predict("demo", body(2, 1))
    assert (failed.value.status, failed.value.code) == (status, code)
    [event] = events(soi)
    assert (event["status"], event["prediction"]) == ("error", None)
    assert event["error"] == str(failed.value)
    assert event["event_id"] == failed.value.details["event_id"]


@pytest.mark.parametrize("wrong", [{"inputs": {"x": 1}}, {"inputs": {"x": 1, "y": "high"}}], ids=["missing", "text"])
def test_a_request_that_does_not_fit_is_a_422_and_logged_as_rejected(
    client: Client, soi: Services, register: Register, roll_out: Register, wrong: dict[str, Any]
) -> None:
    register("v1", HONEST)
    roll_out("v1")
    with pytest.raises(ApiError) as refused:
        client.inference.predict("demo", PredictBody.model_validate(wrong))
    assert (refused.value.status, refused.value.code) == (422, "unusable_input")
    assert [event["status"] for event in events(soi)] == ["rejected"]


@pytest.mark.parametrize("data", [b"this is no picture", png(10)[:40]], ids=["text", "half a picture"])
def test_a_file_that_is_no_picture_is_a_422(
    client: Client, soi: Services, register: Register, roll_out: Register, data: bytes
) -> None:
    register("v1", BRIGHT, IMAGE)
    roll_out("v1")
    for sha256 in (soi.artifacts.put(data), "0" * 64):
        with pytest.raises(ApiError) as refused:
            client.inference.predict("demo", PredictBody(artifacts=[sha256]))
        assert refused.value.status == 422


def test_a_version_that_hangs_is_a_504_and_the_next_request_is_served(
    client: Client, soi: Services, register: Register, roll_out: Register
) -> None:
    soi.settings.predict_timeout_s = 0.4
    register("hangs", HANGS)
    register("v1", HONEST)
    roll_out("hangs")
    with pytest.raises(ApiError) as late:
        client.inference.predict("demo", body(2, 1))
    assert late.value.status == 504
    assert events(soi)[0]["status"] == "timeout"
    soi.settings.predict_timeout_s = 10
    roll_out("v1")
    assert client.inference.predict("demo", body(2, 1)).prediction == "yes"


def test_no_model_no_champion_and_a_file_that_is_no_model_are_named(
    client: Client, register: Register, roll_out: Register, sign_in: Callable[..., Client]
) -> None:
    cases = []
    for model in ("nobody", "demo"):
        with pytest.raises(ApiError) as refused:
            client.inference.predict(model, body(1, 2))
        cases.append((refused.value.status, refused.value.code))
    assert cases == [(404, "not_found"), (409, "no_champion")]
    register("broken", b"\x80\x04not a model")
    roll_out("broken")
    with pytest.raises(ApiError) as refused:
        client.inference.predict("demo", body(1, 2))
    assert (refused.value.status, refused.value.code) == (502, "version_failed")
    with pytest.raises(ApiError) as refused:
        sign_in("inspector").inference.predict("demo", body(1, 2))
    assert refused.value.status == 403


def test_a_version_whose_file_is_gone_is_the_version_s_fault_not_the_request_s(
    client: Client, soi: Services, register: Register, roll_out: Register
) -> None:
    register("v1", HONEST)
    roll_out("v1")
    with soi.database.read() as session:
        [sha256] = session.scalars(select(ModelVersion.artifact_sha256)).all()
    soi.artifacts.delete(str(sha256))
    for _ in range(2):
        with pytest.raises(ApiError) as failed:
            client.inference.predict("demo", body(1, 2))
        assert (failed.value.status, failed.value.code) == (502, "version_failed")

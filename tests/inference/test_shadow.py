"""Challengers in shadow: logged beside the champion's answer, and never a cost to the caller."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from backend.client import Client
from backend.inference.plan import VersionRef
from backend.inference.schemas import PredictBody
from backend.inference.shadow import ShadowCall, ShadowRunner
from backend.services import Services
from db.engine import Database
from db.models.event_log import IngestionCount
from tests.inference.conftest import HANGS, HONEST, INVERTED, NOT_A_NUMBER, RAISES, events

Register = Callable[..., None]
BODY = PredictBody(inputs={"x": 2.0, "y": 1.0}, subject_id="s1", request_id="r1")


def shadow_events(soi: Services) -> list[dict[str, Any]]:
    assert soi.inference.shadows.wait_until_idle()
    return [event for event in events(soi) if event["role"] == "shadow"]


def test_the_challenger_s_answer_is_logged_beside_the_champion_s(
    client: Client, soi: Services, register: Register, roll_out: Register
) -> None:
    register("v1", HONEST)
    register("v2", INVERTED)
    roll_out("v1", "v2")
    assert client.inference.predict("demo", BODY).prediction == "yes"
    [event] = shadow_events(soi)
    assert (event["version"], event["prediction"], event["champion_prediction"]) == ("v2", "no", "yes")
    assert (event["subject_id"], event["request_id"], event["in_x"]) == ("s1", "r1", 2)


@pytest.mark.parametrize(
    ("source", "status"),
    [(NOT_A_NUMBER, "error"), (RAISES, "error"), (HANGS, "timeout")],
    ids=["not a number", "raises", "hangs"],
)
def test_a_challenger_that_fails_costs_the_caller_nothing_and_its_failure_is_logged(
    client: Client, soi: Services, register: Register, roll_out: Register, source: str, status: str
) -> None:
    register("v1", HONEST)
    register("bad", source)
    roll_out("v1", "bad")
    soi.inference.shadows._deadline_s = 0.5
    client.inference.predict("demo", BODY)
    answer = client.inference.predict("demo", BODY.model_copy(update={"request_id": "r2"}))
    assert answer.prediction == "yes"
    if source == HANGS:
        assert not soi.inference.shadows.wait_until_idle(0), "the caller was answered while the challenger hung"
    assert {event["status"] for event in shadow_events(soi)} == {status}


def test_a_share_of_the_requests_is_shadowed(
    client: Client, soi: Services, register: Register, roll_out: Register
) -> None:
    register("v1", HONEST)
    register("v2", INVERTED)
    roll_out("v1", "v2", share=0.3)
    for number in range(40):
        client.inference.predict("demo", BODY.model_copy(update={"request_id": f"r{number}"}))
    assert 4 <= len(shadow_events(soi)) <= 22


def call(run: Callable[[], Callable[[], None]], given_up: list[str]) -> ShadowCall:
    version = VersionRef("id", "v2", "torchscript", None, None)
    return ShadowCall("demo", version, run, lambda status, _: given_up.append(status))


def test_a_full_queue_drops_counts_and_never_waits(database: Database) -> None:
    runner = ShadowRunner(database, size=3, deadline_s=30)
    given_up: list[str] = []

    may_end = threading.Event()

    def blocked() -> Callable[[], None]:
        may_end.wait(20)
        return lambda: None

    taken = [runner.offer(call(blocked, given_up)) for _ in range(20)]
    assert not may_end.is_set(), "offering never waits for a call to end"
    assert 3 <= sum(taken) <= 5
    may_end.set()
    runner.close()
    with database.read() as session:
        [row] = session.query(IngestionCount).all()
    assert (row.model_name, row.reason, row.n_events) == ("demo", "shadow_queue_full", 20 - sum(taken))


def test_a_challenger_that_keeps_hanging_is_put_aside(database: Database) -> None:
    runner = ShadowRunner(database, size=50, deadline_s=0.05)
    given_up: list[str] = []

    def hang() -> Callable[[], None]:
        time.sleep(1)
        return lambda: None

    for _ in range(10):
        runner.offer(call(hang, given_up))
    assert runner.wait_until_idle(5)
    assert given_up == ["timeout"] * 3
    assert runner.offer(call(hang, given_up)) is False
    runner.close()

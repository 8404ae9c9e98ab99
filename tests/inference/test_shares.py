"""Canary and A/B challengers in the request path: who answers, what is logged, who stands in, and going back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from backend.client import ApiError, Client
from backend.inference.schemas import PredictBody, Prediction
from backend.services import Services
from backend.settings import Settings
from tests.conftest import on_sqlite
from tests.inference.conftest import HANGS, HONEST, INVERTED, RAISES, TABULAR, events

Register = Callable[..., None]


@pytest.fixture
def start(client: Client, soi: Services, register: Register) -> Callable[..., None]:
    """start(v2=INVERTED) has v1 and the other versions registered, all in memory, as after some traffic."""

    def make(**sources: str) -> None:
        client.models.change("demo", segment_keys=["line", "plant"])
        for name, source in {"v1": HONEST, **sources}.items():
            register(name, source)
        roll_out(client, *({"version": name, "mode": "shadow", "share": 0.0} for name in sources))
        ask(client, "warm-up")
        wait_for(soi, *sources)

    return make


def wait_for(soi: Services, *names: str) -> None:
    """Until what a rollout names was loaded in the background."""
    targets = [asyncio.run(soi.inference.find("demo", name)).version for name in names]
    deadline = time.monotonic() + 30
    while not all(one in soi.inference.versions for one in targets):
        assert time.monotonic() < deadline, "not loaded"
        time.sleep(0.005)


def roll_out(client: Client, *challengers: dict[str, Any], champion: str = "v1", **more: Any) -> int:
    fields = {"automation_level": "full", "reason": "test", **more}
    return client.rollouts.create("demo", champion=champion, challengers=list(challengers), **fields).id


def ask(client: Client, subject: str | None = None, **segments: str) -> Prediction:
    body = PredictBody(subject_id=subject, inputs={"x": 2.0, "y": 1.0}, segments=segments)
    return client.inference.predict("demo", body)


def arm(version: str = "v2", share: float = 0.5, mode: str = "canary", **more: Any) -> dict[str, Any]:
    return {"version": version, "mode": mode, "share": share, **more}


def now(soi: Services) -> None:
    soi.inference.forget_plans()


def test_a_share_of_the_subjects_gets_the_challenger_each_always_the_same_and_logged_with_its_probability(
    client: Client, soi: Services, start: Callable[..., None]
) -> None:
    start(v2=INVERTED, v3=INVERTED)
    roll_out(client, arm(share=0.3), arm("v3", 0.2, "ab"))
    now(soi)
    first = {f"s{n}": ask(client, f"s{n}").version for n in range(30)}
    assert set(first.values()) == {"v1", "v2", "v3"}
    assert {subject: ask(client, subject).version for subject in first} == first
    plan = asyncio.run(soi.inference.plan("demo"))
    assert plan.champion is not None
    assert {s: plan.assign(plan.champion, s, {}).version.name for s in first} == first
    logged = [one for one in events(soi) if one["subject_id"] in first]
    told = {(one["version"], one["role"], one["assignment_probability"], one["prediction"]) for one in logged}
    assert told == {("v1", "champion", 0.5, "yes"), ("v2", "canary", 0.3, "no"), ("v3", "ab", 0.2, "no")}
    assert len(logged) == 60


def test_the_subjects_of_a_small_share_keep_the_challenger_as_it_grows(
    client: Client, soi: Services, start: Callable[..., None]
) -> None:
    start(v2=INVERTED)
    got: set[str] = set()
    for share in (0.2, 0.5, 1.0):
        roll_out(client, arm(share=share))
        now(soi)
        mine = {f"s{n}" for n in range(14) if ask(client, f"s{n}").version == "v2"}
        assert got < mine
        got = mine
    assert len(got) == 14


def test_only_the_given_segments_see_the_challenger_and_elsewhere_there_is_no_probability(
    client: Client, soi: Services, start: Callable[..., None]
) -> None:
    start(v2=INVERTED)
    roll_out(client, arm(share=1.0, segments={"line": ["L1", "L2"]}))
    now(soi)
    assert [ask(client, "s", line=line).version for line in ("L1", "L2", "L3")] == ["v2", "v2", "v1"]
    assert ask(client, "s").version == "v1"
    assert [one["assignment_probability"] for one in events(soi)[-4:]] == [1.0, 1.0, None, None]


def test_a_segment_may_be_the_key_and_without_it_the_subject_is(
    client: Client, soi: Services, start: Callable[..., None]
) -> None:
    start(v2=INVERTED)
    roll_out(client, arm(), sticky_key="plant")
    now(soi)
    for plant in ("p1", "p2", "p3", "p4", "p5", "p6"):
        assert len({ask(client, f"s{n}", plant=plant).version for n in range(4)}) == 1
    assert len({ask(client, "s", plant=f"p{n}").version for n in range(12)}) == 2
    assert len({ask(client, f"s{n}").version for n in range(12)}) == 2


def test_without_a_subject_every_request_is_a_key_of_its_own(
    client: Client, soi: Services, start: Callable[..., None]
) -> None:
    start(v2=INVERTED)
    roll_out(client, arm())
    now(soi)
    assert {ask(client).version for _ in range(40)} == {"v1", "v2"}


def test_a_challenger_that_fails_costs_the_caller_nothing_and_both_are_logged(
    client: Client, soi: Services, start: Callable[..., None]
) -> None:
    start(v2=RAISES)
    roll_out(client, arm(share=1.0))
    now(soi)
    answer = ask(client, "s")
    assert (answer.version, answer.prediction) == ("v1", "yes")
    failed, stood_in = events(soi)[-2:]
    assert (failed["version"], failed["role"], failed["status"], failed["assignment_probability"]) == (
        "v2", "canary", "error", 1.0,
    )  # fmt: skip
    assert "out of order" in failed["error"]
    assert (stood_in["event_id"], stood_in["version"], stood_in["role"], stood_in["assignment_probability"]) == (
        answer.id, "v1", "champion", None,
    )  # fmt: skip
    assert failed["request_id"] == stood_in["request_id"]


@on_sqlite
def test_challengers_that_hang_hold_up_neither_their_caller_for_ever_nor_the_champion(
    client: Client, soi: Services, start: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    start(v2=HANGS)
    monkeypatch.setattr(soi.settings, "predict_timeout_s", 1.0)
    roll_out(client, arm(share=1.0, segments={"line": ["L1"]}))
    now(soi)
    assert [ask(client, f"s{n}", line="L1").version for n in range(3)] == ["v1"] * 3
    assert ask(client, "s", line="L2").version == "v1"
    told = [(one["role"], one["status"]) for one in events(soi)[-7:]]
    assert told == [("canary", "timeout"), ("champion", "ok")] * 3 + [("champion", "ok")]


def test_what_neither_can_take_is_refused_and_both_say_so(
    client: Client, soi: Services, start: Callable[..., None]
) -> None:
    start(v2=INVERTED)
    roll_out(client, arm(share=1.0))
    now(soi)
    with pytest.raises(ApiError) as caught:
        client.inference.predict("demo", PredictBody(subject_id="s", inputs={"x": 1.0}))
    assert (caught.value.status, caught.value.code) == (422, "unusable_input")
    assert [(one["role"], one["status"]) for one in events(soi)[-2:]] == [
        ("canary", "rejected"), ("champion", "rejected"),
    ]  # fmt: skip


def test_where_people_decide_the_champion_alone_stands_before_them(
    client: Client, soi: Services, start: Callable[..., None]
) -> None:
    start(v2=INVERTED)
    roll_out(client, arm(share=1.0), automation_level="assist")
    now(soi)
    assert ask(client, "s").status == "pending"
    assert [(one["version"], one["role"]) for one in events(soi)[-1:]] == [("v1", "champion")]


def test_a_challenger_gets_nothing_before_it_is_loaded_and_a_switch_finds_it_in_memory(
    client: Client, soi: Services, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register("v1", HONEST)
    register("v2", INVERTED)
    held: list[Any] = []
    monkeypatch.setattr(soi.inference._warming, "load_soon", held.append)
    roll_out(client, arm(share=1.0))
    assert ask(client, "s").version == "v1"
    assert events(soi)[-1]["assignment_probability"] is None
    assert {one.name for one in held} == {"v2"}
    monkeypatch.undo()
    assert ask(client, "s").version == "v1"
    wait_for(soi, "v2")
    assert ask(client, "s").version == "v2"
    loads: list[str] = []
    monkeypatch.setattr(soi.inference.versions, "_read", lambda version: loads.append(version.name))
    roll_out(client, arm("v1", 0.0), champion="v2")
    now(soi)
    assert ask(client, "s").version == "v2"
    assert client.rollouts.roll_back("demo", "it was better before").champion == "v1"
    now(soi)
    assert ask(client, "s").version == "v2", "the canary of all traffic answers again"
    assert loads == []


@on_sqlite
def test_a_rollback_holds_in_another_process_within_a_second(
    client: Client, soi: Services, settings: Settings, start: Callable[..., None]
) -> None:
    start(v2=INVERTED)
    roll_out(client, champion="v2")
    now(soi)
    other = Services(settings)
    other.start()
    try:
        body = PredictBody(inputs={"x": 2.0, "y": 1.0})

        async def answer_there() -> str | None:
            return (await other.inference.predict("demo", body)).prediction.version

        assert asyncio.run(answer_there()) == "v2"
        client.rollouts.roll_back("demo", "too many misses")
        time.sleep(1.0)
        assert asyncio.run(answer_there()) == "v1"
        assert ask(client, "s").version == "v1"
    finally:
        other.stop()


def test_a_version_that_is_not_asked_here_gets_no_share(client: Client, start: Callable[..., None]) -> None:
    start(v2=INVERTED)
    client.model_versions.create("demo", name="people", kind="human", signature=TABULAR)
    with pytest.raises(ApiError) as caught:
        roll_out(client, arm("people", 0.1))
    assert (caught.value.status, caught.value.code) == (422, "version_not_asked")

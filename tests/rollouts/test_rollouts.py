"""Versions and rollouts through the API: who answers, since when, why, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from backend.client import ApiError, Client
from db.engine import Database
from db.models.model import Rollout

SignIn = Callable[..., Client]


@pytest.fixture
def client(sign_in: SignIn) -> Client:
    made = sign_in("data_scientist", name="Minh")
    made.models.create(name="pcb", item_kind="image", segment_keys=["line"])
    for name in ("v1", "v2", "v3"):
        made.model_versions.create("pcb", name=name, kind="external")
    return made


def refused(client: Client, path: str, body: dict[str, Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        client.transport.request("POST", path, json=body)
    return caught.value


def test_newest_rollout_is_in_force_and_the_history_stays(client: Client) -> None:
    assert client.rollouts.current("pcb") is None
    first = client.rollouts.create("pcb", champion="v1", reason="the first one")
    shadow = [{"version": "v2", "mode": "shadow"}]
    second = client.rollouts.create(
        "pcb", champion="v1", challengers=shadow, automation_level="assist", reason="watch v2"
    )
    assert client.rollouts.current("pcb") == second
    assert client.rollouts.list("pcb") == [second, first]
    assert client.rollouts.list("pcb", before_id=second.id) == [first]
    assert (second.created_by_name, second.challengers[0].share) == ("Minh", 1.0)


def test_marks_say_what_changed_oldest_first(client: Client) -> None:
    client.rollouts.create("pcb", champion="v1", reason="one")
    second = client.rollouts.create("pcb", champion="v2", reason="two")
    client.rollouts.create("pcb", champion="v2", reason="the same again changes nothing")
    third = client.rollouts.create("pcb", champion="v2", automation_level="partial", reason="three")
    marks = client.rollouts.marks("pcb")
    assert [(mark.reason, mark.changes) for mark in marks] == [
        ("one", ["champion", "challengers", "automation_level"]),
        ("two", ["champion"]),
        ("three", ["automation_level"]),
    ]
    assert (marks[1].previous_champion, marks[1].champion) == ("v1", "v2")
    window = client.rollouts.marks("pcb", start=second.created_at, end=third.created_at)
    assert [mark.reason for mark in window] == ["two"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": ""},
        {"reason": "   "},
        {"reason": None},
        {"champion": "absent"},
        {"challengers": [{"version": "absent", "mode": "shadow"}]},
        {"challengers": [{"version": "v1", "mode": "shadow"}]},
        {"challengers": [{"version": "v2", "mode": "shadow"}, {"version": "v2", "mode": "ab", "share": 0.1}]},
        {"challengers": [{"version": "v2", "mode": "ab", "share": 0.6}, {"version": "v3", "mode": "ab", "share": 0.6}]},
        {"challengers": [{"version": "v2", "mode": "canary", "share": 1.5}]},
        {"challengers": [{"version": "v2", "mode": "loud"}]},
        {"challengers": [{"version": "v2", "mode": "shadow", "segments": {"shift": ["night"]}}]},
        {"champion": None, "challengers": [{"version": "v2", "mode": "canary", "share": 0.1}]},
        {"champion": None, "automation_level": "full"},
        {"automation_level": "autopilot"},
        {"created_by": "user:somebody"},
        {"sticky_key": "shift"},
    ],
)
def test_wrong_rollout_is_refused_and_nothing_changes(client: Client, wrong: dict[str, Any]) -> None:
    error = refused(client, "/v1/models/pcb/rollouts", {"champion": "v1", "reason": "because"} | wrong)
    assert error.status == 422
    assert client.rollouts.current("pcb") is None


def test_rollout_based_on_an_older_one_answers_409(client: Client) -> None:
    first = client.rollouts.create("pcb", champion="v1", reason="one", based_on=0)
    client.rollouts.create("pcb", champion="v2", reason="two", based_on=first.id)
    body = {"champion": "v3", "reason": "late", "based_on": first.id}
    error = refused(client, "/v1/models/pcb/rollouts", body)
    assert (error.status, error.code) == (409, "rollout_changed")


def test_rolling_back_is_a_new_row_like_the_one_before_with_the_same_keys(client: Client, database: Database) -> None:
    canary = [{"version": "v2", "mode": "canary", "share": 0.1, "segments": {"line": ["L1"]}}]
    client.rollouts.create("pcb", champion="v1", automation_level="full", reason="one")
    client.rollouts.create("pcb", champion="v1", challengers=[canary[0] | {"share": 0.2}], reason="wide")
    first = client.rollouts.create(
        "pcb", champion="v1", challengers=canary, sticky_key="line", automation_level="full", reason="narrow"
    )
    client.rollouts.create("pcb", champion="v2", reason="two")
    lowered = client.rollouts.create("pcb", champion="v2", automation_level="human_only", reason="only the level")
    back = client.rollouts.roll_back("pcb", "v2 misses scratches", based_on=lowered.id)
    kept = {"champion", "challengers", "automation_level", "sticky_key"}
    assert back.model_dump(include=kept) == first.model_dump(include=kept)
    assert (back.id > lowered.id, back.reason, back.created_by_name) == (True, "v2 misses scratches", "Minh")
    assert client.rollouts.current("pcb") == back
    with database.read() as session:
        rows = {row.id: row.challengers for row in session.scalars(select(Rollout))}
    assert rows[back.id] == rows[first.id]
    assert rows[back.id][0]["parts"] == [[0, 100_000_000]]


def test_rolling_back_is_refused_where_nobody_else_answered_or_another_rollout_came(client: Client) -> None:
    path = "/v1/models/pcb/rollouts/rollback"
    assert refused(client, path, {"reason": "x"}).code == "no_earlier_rollout"
    first = client.rollouts.create("pcb", champion="v1", reason="one")
    client.rollouts.create("pcb", champion="v1", automation_level="full", reason="the same version")
    shadow = [{"version": "v2", "mode": "shadow", "share": 1.0}]
    client.rollouts.create("pcb", champion="v1", challengers=shadow, reason="callers hear nothing of a shadow")
    assert refused(client, path, {"reason": "x"}).code == "no_earlier_rollout"
    client.rollouts.create("pcb", champion="v2", reason="two")
    error = refused(client, path, {"reason": "x", "based_on": first.id})
    assert (error.status, error.code) == (409, "rollout_changed")
    assert refused(client, path, {"reason": " "}).status == 422


def test_only_who_may_change_rollouts_rolls_back(client: Client, sign_in: SignIn) -> None:
    client.rollouts.create("pcb", champion="v1", reason="one")
    client.rollouts.create("pcb", champion="v2", reason="two")
    with pytest.raises(ApiError) as caught:
        sign_in("inspector").rollouts.roll_back("pcb", "I want to")
    assert caught.value.status == 403
    assert [row.reason for row in client.rollouts.list("pcb")] == ["two", "one"]


def test_rollout_of_another_model_s_version_is_refused(client: Client) -> None:
    client.models.create(name="other", item_kind="text")
    error = refused(client, "/v1/models/other/rollouts", {"champion": "v1", "reason": "x"})
    assert (error.status, error.code) == (422, "version_unknown")


def test_row_written_by_an_older_release_does_not_break_the_list(client: Client, database: Database) -> None:
    model_id = client.models.get("pcb").id
    odd = [{"version": "gone", "mode": "old-mode"}]
    with database.write() as session:
        session.add(Rollout(model_id=model_id, challengers=odd, reason="old", created_by="import"))
    assert client.rollouts.list("pcb")[0].challengers[0].mode == "old-mode"


def test_version_is_read_back_with_its_parent(client: Client) -> None:
    client.model_versions.create(
        "pcb", name="v4", kind="human", parent="v1", metrics={"accuracy": 0.9}, notes="người kiểm"
    )
    read = client.model_versions.get("pcb", "v4")
    assert (read.parent, read.metrics, read.notes) == ("v1", {"accuracy": 0.9}, "người kiểm")
    assert client.model_versions.change("pcb", "v4", notes="better").metrics == {"accuracy": 0.9}
    assert [version.name for version in client.model_versions.list("pcb", limit=2)] == ["v4", "v3"]


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"name": "v1"}, 409, "name_taken"),
        ({"name": "a b"}, 422, "invalid"),
        ({"name": "-rf"}, 422, "invalid"),
        ({"kind": "pickle"}, 422, "invalid"),
        ({"kind": "torchscript"}, 422, "invalid"),
        ({"kind": "torchscript", "artifact_sha256": "0" * 64}, 422, "artifact_unknown"),
        ({"artifact_sha256": "0" * 64}, 422, "invalid"),
        ({"parent": "absent"}, 404, "not_found"),
        ({"model_id": "x"}, 422, "invalid"),
    ],
)
def test_wrong_version_is_refused(client: Client, wrong: dict[str, Any], status: int, code: str) -> None:
    error = refused(client, "/v1/models/pcb/versions", {"name": "v9", "kind": "external"} | wrong)
    assert (error.status, error.code) == (status, code)
    assert len(client.model_versions.list("pcb")) == 3


def test_version_of_unknown_model_answers_404(client: Client) -> None:
    assert refused(client, "/v1/models/absent/versions", {"name": "v1", "kind": "human"}).status == 404
    assert refused(client, "/v1/models/absent/rollouts", {"reason": "x"}).status == 404

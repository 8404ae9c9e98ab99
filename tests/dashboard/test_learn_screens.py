"""Datasets, Retraining and Versions in both languages: filled, empty, running, failed; and what an action asks for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from backend.datasets.schemas import DatasetInfo
from backend.jobs.schemas import JobInfo
from backend.model_versions.schemas import VersionRead
from backend.retraining.schemas import RetrainingRunInfo
from backend.rollouts.schemas import RolloutRead
from dashboard.kit import data
from dashboard.screens.versions import actions_for, earlier_rollout, rollout_for, share_of
from tests.dashboard.conftest import connect
from tests.dashboard.fake_api import NOW, FakeApi

MODEL = "pcb"
IDS = [f"0000000{n}-0000-7000-8000-000000000000" for n in range(4)]
METRICS = {
    "n": 20, "accuracy": 0.9, "escape_rate": 0.1, "overkill_rate": 0.0, "labels": ["ok", "open"],
    "confusion": [[10, 0], [2, 8]], "recall": {"ok": 1.0, "open": 0.8},
}  # fmt: skip
JOB = JobInfo(
    id=IDS[0], kind="retraining", model=MODEL, state="done", is_stalled=False, progress=1.0, step="epoch 2/2",
    parameters={"name": "week-1"}, result={}, messages=[{"at": NOW, "text": "registered v2"}], error=None, n_attempts=1,
    created_by="user:1", created_at=NOW, started_at=NOW, heartbeat_at=NOW, finished_at=NOW,
)  # fmt: skip
DATASET = DatasetInfo(
    id=IDS[1], model=MODEL, name="week-1", content_sha256="a" * 64, n_items=40, parent_id=None, created_by="user:1",
    created_at=NOW,
    manifest={
        "labels": {"ok": 30, "open": 10}, "splits": {"train": {"ok": 24, "open": 8}, "held_out": {"ok": 6, "open": 2}},
        "skipped": {"missing_file": 3}, "warnings": ["one_label_only"], "held_out_share": 0.2,
        "first_resolved_at": NOW.isoformat(), "last_resolved_at": NOW.isoformat(),
    },
)  # fmt: skip
RUN = RetrainingRunInfo(
    id=IDS[2], model=MODEL, dataset_id=IDS[1], dataset_name="week-1", parent_version="v1", new_version="v2",
    parameters={}, history=[{"epoch": 1, "loss": 0.9, "accuracy": 0.8}, {"epoch": 2, "loss": 0.5, "accuracy": 0.9}],
    metrics={"new": METRICS, "parent": {**METRICS, "accuracy": 0.8}}, created_by="user:1", created_at=NOW, job=JOB,
)  # fmt: skip


def version(name: str, parent: str | None = None) -> VersionRead:
    return VersionRead(
        id=IDS[3], model=MODEL, name=name, kind="torchscript", artifact_sha256="b" * 64, signature={}, metrics=METRICS,
        notes="", parent=parent, dataset_id=IDS[1], retraining_run_id=IDS[2], created_by="user:1", created_at=NOW,
    )  # fmt: skip


def rollout(number: int, champion: str | None, *shadows: str) -> RolloutRead:
    return RolloutRead(
        id=number, model=MODEL, champion=champion, automation_level="shadow", reason="why", created_by="user:1",
        created_at=NOW, challengers=[{"version": name, "mode": "shadow"} for name in shadows],
    )  # fmt: skip


class LearnApi(FakeApi):
    """The recorded API with what the three screens ask for."""

    job = JOB
    sticky_key: str | None = None

    def current(self) -> RolloutRead:
        """v1 with v2 in shadow, or as its canary where a segment is the key."""
        found = rollout(2, "v1", "v2")
        for one in found.challengers if self.sticky_key else ():
            one.mode, one.share = "canary", 0.05
        return found.model_copy(update={"sticky_key": self.sticky_key})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        run = RUN.model_copy(update={"job": self.job})
        answers: dict[str, Any] = {
            "/v1/datasets": [] if self.is_empty else [DATASET],
            "/v1/retraining-runs": [] if self.is_empty else [run],
            f"/v1/retraining-runs/{RUN.id}": run,
            "/v1/jobs": [],
        }
        if path.endswith("/versions"):
            answers[path] = [] if self.is_empty else [version("v2", "v1"), version("v1")]
        if path.endswith("/rollouts"):
            answers[path] = [] if self.is_empty else [self.current(), rollout(1, "v1")]
        if path.endswith("/rollouts/current") and not self.is_empty:
            answers[path] = self.current()
        if path == "/v1/labelled-data/counts":
            self.requests.append(request)
            return httpx.Response(200, json={"n_items": 0 if self.is_empty else 40, "labels": {"ok": 30, "open": 10}})
        if path.endswith("/rollouts/rollback"):
            self.requests.append(request)
            return httpx.Response(201, json=json.loads(rollout(3, "v1").model_dump_json()))
        if path in answers and request.method == "GET" and not any(path.startswith(one) for one in self.broken):
            self.requests.append(request)
            found = answers[path]
            body = [json.loads(one.model_dump_json()) for one in found] if isinstance(found, list) else None
            return httpx.Response(200, json=body if body is not None else json.loads(found.model_dump_json()))
        return super().__call__(request)


@pytest.fixture
def api() -> Iterator[LearnApi]:
    fake = LearnApi()
    connect(fake)
    yield fake
    data.forget()


Open = Callable[..., Any]
CASES = pytest.mark.parametrize(
    ("name", "language"), [(name, lang) for name in ("datasets", "retraining", "versions") for lang in ("en", "vi")]
)


@CASES
def test_a_filled_screen_shows_no_error(open_screen: Open, api: LearnApi, name: str, language: str) -> None:
    app = open_screen(f"dashboard.screens.{name}", language)
    assert not app.exception
    assert not app.error
    assert app.metric


@CASES
def test_an_empty_screen_says_what_would_fill_it(open_screen: Open, api: LearnApi, name: str, language: str) -> None:
    api.is_empty = True
    app = open_screen(f"dashboard.screens.{name}", language)
    assert not app.exception
    assert len("".join(str(one.value) for one in app.markdown)) > 60


@CASES
def test_a_failing_api_is_told_without_a_traceback(open_screen: Open, api: LearnApi, name: str, language: str) -> None:
    api.broken = {"/v1/datasets", "/v1/retraining-runs", "/v1/models"}
    app = open_screen(f"dashboard.screens.{name}", language)
    assert not app.exception
    assert app.error


def test_a_viewer_reads_versions_and_is_offered_no_change(open_screen: Open, api: LearnApi) -> None:
    api.role = "viewer"
    app = open_screen("dashboard.screens.versions")
    assert not app.exception
    assert not app.button


@pytest.mark.parametrize("state", ["queued", "running", "failed", "cancelled"])
def test_a_run_shows_its_state(open_screen: Open, api: LearnApi, state: str) -> None:
    api.job = JOB.model_copy(update={"state": state, "progress": 0.4, "error": "no", "is_stalled": state == "running"})
    app = open_screen("dashboard.screens.retraining")
    assert not app.exception
    assert bool(app.error) == (state == "failed")
    assert bool(app.warning) == (state == "running")


def test_promoting_keeps_the_old_champion_in_shadow() -> None:
    before = [rollout(2, "v1", "v2"), rollout(1, "v1")]
    wish = rollout_for("promote", "v2", before[0])
    assert (wish["champion"], wish["based_on"]) == ("v2", 2)
    assert [(one["version"], one["mode"]) for one in wish["challengers"]] == [("v1", "shadow")]
    after = [rollout(3, "v2", "v1"), *before]
    assert actions_for("v2", after[0]) == []
    assert earlier_rollout(after[0], after) == before[0]
    same = [rollout(4, "v2", "v1").model_copy(update={"automation_level": "full"}), *after]
    assert earlier_rollout(same[0], same) == before[0]
    assert earlier_rollout(before[1], same) is None


def test_shares_are_told_of_every_version_and_the_champion_has_the_rest() -> None:
    others = [
        {"version": "v2", "mode": "canary", "share": 0.2},
        {"version": "v3", "mode": "ab", "share": 0.3, "segments": {"line": ["L1", "L2"]}},
        {"version": "v4", "mode": "shadow", "share": 0.5},
    ]
    current = RolloutRead.model_validate({**rollout(1, "v1").model_dump(), "challengers": others})
    assert [share_of(f"v{n}", current) for n in (1, 2, 3, 4, 5)] == [
        "80.0%, less in some segments", "20.0%", "30.0% within line: L1, L2", "50.0%", "–",
    ]  # fmt: skip
    assert share_of("v1", rollout(1, "v1", "v2")) == "100.0%"
    assert rollout_for("hold", "v4", current.model_copy(update={"sticky_key": "line"}))["sticky_key"] == "line"


@pytest.mark.parametrize("language", ["en", "vi"])
def test_a_canary_is_shown_with_its_share_and_its_key(open_screen: Open, api: LearnApi, language: str) -> None:
    api.sticky_key = "line"
    app = open_screen("dashboard.screens.versions", language)
    assert not app.exception
    assert any("line" in one.value for one in app.caption)
    [beside] = [one for one in app.metric if one.help]
    assert beside.value == "v2"
    assert beside.help == {"en": "v2 (Canary, 5.0%)", "vi": "v2 (Thử một phần, 5,0%)"}[language]


def test_one_button_rolls_back_with_a_reason_and_not_without(open_screen: Open, api: LearnApi) -> None:
    api.sticky_key = "line"
    app = open_screen("dashboard.screens.versions")
    app.button(key="roll-back").click().run()
    assert app.warning
    assert not [one for one in api.requests if one.method == "POST"]
    app.text_input(key="back-why").set_value(" v1 misses scratches ")
    app.button(key="roll-back").click().run()
    assert not app.exception
    [sent] = [one for one in api.requests if one.method == "POST"]
    assert sent.url.path == "/v1/models/pcb-inspection/rollouts/rollback"
    assert json.loads(sent.content) == {"reason": "v1 misses scratches", "based_on": 2}


def test_a_rollback_passes_over_what_changed_only_shadows() -> None:
    current = rollout(2, "v1", "v2")
    assert earlier_rollout(current, [current, rollout(1, "v1")]) is None
    other = rollout(0, "v0")
    assert earlier_rollout(current, [current, rollout(1, "v1"), other]) is other


def test_a_shadow_is_taken_out_and_an_unused_version_put_in() -> None:
    current = rollout(2, "v1", "v2")
    assert actions_for("v2", current) == ["promote", "hold"]
    assert rollout_for("hold", "v2", current)["challengers"] == []
    assert actions_for("v3", current) == ["shadow", "promote"]
    wish = rollout_for("shadow", "v3", current)
    assert [one["version"] for one in wish["challengers"]] == ["v2", "v3"]
    first = rollout_for("promote", "v3", None)
    assert (first["champion"], first["challengers"], first["based_on"]) == ("v3", [], 0)

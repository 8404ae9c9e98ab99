"""A retraining run end to end: refused early, trained in its own process, registered once, put in shadow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from backend.client import ApiError, Client
from backend.jobs.schemas import JobInfo
from backend.worker.jobs import JobRunner
from db.base import utc_now
from db.models.learn import Job
from db.repositories import jobs
from tests.conftest import on_sqlite

Finish = Callable[[str], JobInfo]


def make_dataset(scientist: Client, finish: Finish, **fields: Any) -> str:
    job = finish(scientist.datasets.create(model="pcb", **fields).id)
    assert job.state == "done", job.error
    return str(job.result["dataset_id"])


def test_a_run_registers_the_next_version_and_puts_it_in_shadow(scientist: Client, line: Any, finish: Finish) -> None:
    line.add_version()
    line.add_labels(90)
    dataset_id = make_dataset(scientist, finish)
    run = scientist.retraining.create(dataset_id=dataset_id, parent_version="v1", epochs=3)
    assert (run.job.state, run.new_version) == ("queued", None)
    job = finish(run.job.id)
    assert job.state == "done", job.error
    done = scientist.retraining.get(run.id)
    assert done.new_version == "v2"
    assert [row.epoch for row in done.history] == [1, 2, 3]
    assert done.metrics["new"]["n"] == done.metrics["parent"]["n"] > 5
    assert done.metrics["new"]["accuracy"] >= done.metrics["parent"]["accuracy"] - 0.2
    version = scientist.model_versions.get("pcb", "v2")
    assert (version.parent, version.dataset_id, version.retraining_run_id) == ("v1", dataset_id, run.id)
    assert version.metrics["accuracy"] == done.metrics["new"]["accuracy"]
    assert line.artifacts.exists(version.artifact_sha256)
    rollout = scientist.rollouts.current("pcb")
    assert rollout is not None
    assert rollout.champion == "v1"
    assert [(one.version, one.mode) for one in rollout.challengers] == [("v2", "shadow")]
    assert "v2 was trained further from v1" in rollout.reason
    assert [found.id for found in scientist.retraining.list("pcb")] == [run.id]
    assert job.progress == 1.0
    assert any("registered v2" in message.text for message in job.messages)


@on_sqlite
def test_the_same_request_twice_is_one_run_while_it_is_not_finished(
    scientist: Client, line: Any, finish: Finish
) -> None:
    line.add_version()
    line.add_labels(30)
    wish = {"dataset_id": make_dataset(scientist, finish), "parent_version": "v1", "epochs": 1}
    first, second = scientist.retraining.create(**wish), scientist.retraining.create(**wish)
    assert first.id == second.id
    assert scientist.retraining.create(**{**wish, "epochs": 2}).id != first.id
    for run in scientist.retraining.list("pcb"):
        finish(run.job.id)
    names = sorted(version.name for version in scientist.model_versions.list("pcb"))
    assert names == ["v1", "v2", "v3"]


@on_sqlite
def test_an_attempt_that_died_after_training_registers_without_training_again(
    scientist: Client, line: Any, runner: JobRunner, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backend.retraining import run as retraining

    line.add_version()
    line.add_labels(30)
    run = scientist.retraining.create(dataset_id=make_dataset(scientist, finish), parent_version="v1", epochs=1)
    trainings: list[int] = []
    real_train, real_register = retraining.train, retraining.register

    def count_training(*arguments: Any) -> dict[str, Any]:
        trainings.append(1)
        return real_train(*arguments)

    def die_once(*arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(retraining, "register", real_register)
        raise SystemError("killed here")

    monkeypatch.setattr(retraining, "train", count_training)
    monkeypatch.setattr(retraining, "register", die_once)
    runner.sweep()
    deadline = time.monotonic() + 60
    while not scientist.jobs.get(run.job.id).result.get("trained") and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(0.5)
    with line.database.write() as session:  # its worker is not heard of any more
        session.get(Job, run.job.id).heartbeat_at = utc_now().replace(year=2020)
    assert scientist.jobs.get(run.job.id).is_stalled
    job = finish(run.job.id)
    assert (job.state, job.n_attempts) == ("done", 2)
    assert trainings == [1]
    assert [version.name for version in scientist.model_versions.list("pcb")] == ["v2", "v1"]


@on_sqlite
def test_registering_twice_makes_one_version(scientist: Client, line: Any, finish: Finish) -> None:
    from backend.retraining import run as retraining

    line.add_version()
    line.add_labels(30)
    dataset_id = make_dataset(scientist, finish)
    run = scientist.retraining.create(dataset_id=dataset_id, parent_version="v1", epochs=1)
    job = finish(run.job.id)
    again = retraining.register(line.database, run.job.id, job.result["trained"])
    assert again["version"] == "v2"
    assert len(scientist.model_versions.list("pcb")) == 2
    assert len(scientist.rollouts.list("pcb")) == 2


@on_sqlite
def test_a_cancelled_run_stops_within_seconds_and_registers_nothing(
    scientist: Client, line: Any, finish: Finish
) -> None:
    line.add_version()
    line.add_labels(60)
    run = scientist.retraining.create(dataset_id=make_dataset(scientist, finish), parent_version="v1", epochs=200)
    closer = threading.Timer(6, lambda: scientist.jobs.cancel(run.job.id))
    closer.start()
    job = finish(run.job.id)
    assert job.state == "cancelled"
    time.sleep(3)
    assert [version.name for version in scientist.model_versions.list("pcb")] == ["v1"]
    with pytest.raises(ApiError) as refused:
        scientist.jobs.cancel(run.job.id)
    assert (refused.value.status, refused.value.code) == (409, "job_finished")


@on_sqlite
def test_missing_and_broken_pictures_are_left_out_and_told(scientist: Client, line: Any, finish: Finish) -> None:
    line.add_version()
    line.add_labels(40)
    line.add_labels(1, first=100, artifact=line.artifacts.put(b"this is no picture"))
    gone = line.artifacts.put(b"soon gone")
    line.add_labels(1, first=101, artifact=gone)
    dataset_id = make_dataset(scientist, finish, held_out_share=0.3)
    line.artifacts.delete(gone)
    run = scientist.retraining.create(dataset_id=dataset_id, parent_version="v1", epochs=1)
    job = finish(run.job.id)
    assert job.state == "done", job.error
    assert job.result["trained"]["skipped"] == {"broken_image": 1, "missing_file": 1}
    assert any("broken_image" in message.text for message in job.messages)


def test_a_dataset_of_one_label_is_refused_at_once(scientist: Client, line: Any, finish: Finish) -> None:
    line.add_version()
    line.add_labels(12, labels=["ok"])
    dataset_id = make_dataset(scientist, finish)
    assert scientist.datasets.get(dataset_id).manifest["warnings"][0] == "one_label_only"
    with pytest.raises(ApiError) as refused:
        scientist.retraining.create(dataset_id=dataset_id, parent_version="v1")
    assert (refused.value.status, refused.value.code) == (422, "one_label_only")


def test_unknown_parents_datasets_and_taken_names_are_refused(scientist: Client, line: Any, finish: Finish) -> None:
    line.add_version()
    line.add_labels(12)
    dataset_id = make_dataset(scientist, finish)
    scientist.model_versions.create("pcb", name="outside", kind="external")
    for fields, status, code in [
        ({"dataset_id": dataset_id, "parent_version": "v9"}, 422, "version_unknown"),
        ({"dataset_id": dataset_id, "parent_version": "outside"}, 422, "parent_unfit"),
        ({"dataset_id": "0" * 36, "parent_version": "v1"}, 404, "not_found"),
        ({"dataset_id": dataset_id, "parent_version": "v1", "new_version": "v1"}, 409, "name_taken"),
        ({"dataset_id": dataset_id, "parent_version": "v1", "epochs": 0}, 422, "invalid"),
    ]:
        with pytest.raises(ApiError) as refused:
            scientist.transport.request("POST", "/v1/retraining-runs", json=fields)
        assert (refused.value.status, refused.value.code) == (status, code), fields


def test_a_run_whose_worker_died_every_time_is_given_up(
    scientist: Client, line: Any, runner: JobRunner, finish: Finish
) -> None:
    line.add_version()
    line.add_labels(12)
    run = scientist.retraining.create(dataset_id=make_dataset(scientist, finish), parent_version="v1", epochs=1)
    with line.database.write() as session:
        found = jobs.get_job(session, run.job.id)
        assert found is not None
        found.state, found.n_attempts = "running", 5
        found.heartbeat_at = utc_now().replace(year=2020)
    runner.sweep()
    job = scientist.jobs.get(run.job.id)
    assert job.state == "failed"
    assert "5 attempts" in (job.error or "")

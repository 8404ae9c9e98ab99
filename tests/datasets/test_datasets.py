"""Snapshots: what is inside, the same bytes for the same labels, a split that lasts, and nothing half-written."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from backend.client import ApiError, Client
from backend.datasets.schemas import DatasetInfo
from backend.jobs.schemas import JobInfo
from backend.settings import Settings
from backend.worker.jobs import JobRunner
from db.models.learn import Dataset
from review.rules.splitting import split_of

Finish = Callable[[str], JobInfo]


def make(scientist: Client, finish: Finish, **fields: Any) -> DatasetInfo:
    job = finish(scientist.datasets.create(model="pcb", **fields).id)
    assert job.state == "done", job.error
    return scientist.datasets.get(str(job.result["dataset_id"]))


def rows_of(scientist: Client, dataset: DatasetInfo, folder: Path) -> list[dict[str, Any]]:
    scientist.datasets.download(dataset.id, folder / "rows.jsonl")
    return [json.loads(line) for line in (folder / "rows.jsonl").read_text("utf-8").splitlines()]


def test_a_snapshot_holds_each_label_with_its_split_and_says_so_in_its_manifest(
    scientist: Client, line: Any, finish: Finish, tmp_path: Path
) -> None:
    line.add_labels(30)
    dataset = make(scientist, finish, name="first", held_out_share=0.3)
    rows = rows_of(scientist, dataset, tmp_path)
    content = (tmp_path / "rows.jsonl").read_bytes()
    assert [row["subject_id"] for row in rows] == [f"s{n:04d}" for n in range(30)]
    assert all(row["split"] == split_of(row["subject_id"], 0.3, "pcb") for row in rows)
    manifest = dataset.manifest
    assert hashlib.sha256(content).hexdigest() == dataset.content_sha256 == manifest["content_sha256"]
    assert manifest["files"]["data.jsonl"]["n_bytes"] == len(content)
    assert manifest["labels"] == {"ok": 10, "missing": 10, "extra": 10}
    n_held_out = sum(row["split"] == "held_out" for row in rows)
    assert sum(manifest["splits"]["held_out"].values()) == n_held_out > 0
    assert sum(manifest["splits"]["train"].values()) == 30 - n_held_out
    assert manifest["first_resolved_at"] == rows[0]["resolved_at"]
    scientist.datasets.download(dataset.id, tmp_path / "rows.parquet", format="parquet")
    table = pq.read_table(tmp_path / "rows.parquet")
    assert table.column("subject_id").to_pylist() == [row["subject_id"] for row in rows]
    stored = hashlib.sha256((tmp_path / "rows.parquet").read_bytes()).hexdigest()
    assert stored == manifest["files"]["data.parquet"]["sha256"]


def test_the_same_labels_give_the_same_hash_and_one_more_gives_another(
    scientist: Client, line: Any, finish: Finish, tmp_path: Path
) -> None:
    line.add_labels(12)
    first = make(scientist, finish)
    second = make(scientist, finish, parent=first.id)
    assert first.content_sha256 == second.content_sha256
    assert second.manifest["lineage"] == {"parent": first.id, "content_sha256": first.content_sha256}
    before = {row["subject_id"]: row["split"] for row in rows_of(scientist, second, tmp_path)}
    line.add_labels(12, first=50)
    third = make(scientist, finish)
    assert third.content_sha256 != first.content_sha256
    after = {row["subject_id"]: row["split"] for row in rows_of(scientist, third, tmp_path)}
    assert before.items() <= after.items()
    assert [found.id for found in scientist.datasets.list("pcb")] == [third.id, second.id, first.id]


def test_filters_are_kept_in_the_manifest_and_obeyed(scientist: Client, line: Any, finish: Finish) -> None:
    line.add_labels(12)
    dataset = make(scientist, finish, filters={"labels": ["ok", "extra"], "segments": {"line": "A"}})
    assert dataset.manifest["labels"] == {"ok": 2, "extra": 2}
    assert dataset.manifest["filters"] == {"labels": ["ok", "extra"], "segments": {"line": "A"}}


def test_items_without_a_picture_are_skipped_and_counted(scientist: Client, line: Any, finish: Finish) -> None:
    line.add_labels(6)
    line.add_labels(2, first=10, artifact=None)
    line.add_labels(1, first=20, artifact=hashlib.sha256(b"never stored").hexdigest())
    line.add_labels(1, first=30, labels=["scratch"])
    dataset = make(scientist, finish)
    assert dataset.n_items == 6
    assert dataset.manifest["skipped"] == {"no_artifact": 2, "missing_file": 1, "unknown_label": 1}


def test_no_labels_are_refused_at_once_and_nothing_left_fails_with_the_reason(
    scientist: Client, line: Any, finish: Finish
) -> None:
    with pytest.raises(ApiError) as refused:
        scientist.datasets.create(model="pcb")
    assert (refused.value.status, refused.value.code) == (422, "no_labels")
    line.add_labels(3, artifact=None)
    job = finish(scientist.datasets.create(model="pcb").id)
    assert job.state == "failed"
    assert "3 skipped (no_artifact)" in (job.error or "")
    assert scientist.datasets.list("pcb") == []


def test_the_same_request_twice_is_one_job_and_a_taken_name_is_refused(
    scientist: Client, line: Any, finish: Finish
) -> None:
    line.add_labels(6)
    first = scientist.datasets.create(model="pcb", name="week-1")
    assert scientist.datasets.create(model="pcb", name="week-1").id == first.id
    for _ in range(2):
        with pytest.raises(ApiError) as refused:
            scientist.datasets.create(model="pcb", name="week-1", held_out_share=0.5)
        assert (refused.value.status, refused.value.code) == (409, "name_taken")
        finish(first.id)
    assert len(scientist.datasets.list("pcb")) == 1


def test_a_parent_of_another_model_or_none_at_all_is_refused(scientist: Client, line: Any, finish: Finish) -> None:
    line.add_labels(6)
    with pytest.raises(ApiError) as refused:
        scientist.datasets.create(model="pcb", parent="0" * 36)
    assert refused.value.status == 404
    with pytest.raises(ApiError) as refused:
        scientist.datasets.get("0" * 36)
    assert refused.value.status == 404


def test_an_inspector_can_neither_build_nor_read_datasets(sign_in: Callable[..., Client], line: Any) -> None:
    for call in (lambda c: c.datasets.create(model="pcb"), lambda c: c.datasets.list("pcb")):
        with pytest.raises(ApiError) as refused:
            call(sign_in("inspector"))
        assert refused.value.status == 403


@pytest.mark.faults
def test_a_build_killed_half_way_leaves_nothing_half_and_the_next_worker_finishes_it(
    scientist: Client, line: Any, settings: Settings, runner: JobRunner, finish: Finish, tmp_path: Path
) -> None:
    line.add_labels(24)
    job = scientist.datasets.create(model="pcb", name="killed")
    script = textwrap.dedent(
        """
        import sys, time, threading
        from backend.datasets import snapshot
        from backend.settings import Settings
        from backend.worker.jobs import JobRunner
        from db.artifact_store import ArtifactStore
        from db.engine import Database
        real = snapshot._publish
        def slow(path, target):
            real(path, target)
            print("published", target, flush=True)
            time.sleep(60)
        snapshot._publish = slow
        settings = Settings(data_dir=sys.argv[1], database_url=sys.argv[2], jobs_database_url=sys.argv[3], ui=False)
        runner = JobRunner(settings, Database(settings.database_url), ArtifactStore(settings.artifacts_uri))
        runner.start()
        while True:
            runner.sweep()
            time.sleep(0.3)
        """
    )
    runner.stop()  # the other process is the only worker for now
    command = [sys.executable, "-c", script, str(settings.data_dir), settings.database_url, settings.jobs_database_url]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert worker.stdout is not None
        assert any(text.startswith("published") for text in worker.stdout)
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(10)
    assert scientist.datasets.list("pcb") == []
    assert scientist.jobs.get(job.id).state == "running"
    second = JobRunner(settings, line.database, line.artifacts)
    second.start()
    try:
        deadline = time.monotonic() + 60
        while scientist.jobs.get(job.id).state in ("queued", "running") and time.monotonic() < deadline:
            second.sweep()
            time.sleep(0.3)
        done = scientist.jobs.get(job.id)
        assert (done.state, done.n_attempts) == ("done", 2), done.error
    finally:
        second.stop()
    (dataset,) = scientist.datasets.list("pcb")
    assert len(rows_of(scientist, dataset, tmp_path)) == 24
    folder = Path(settings.datasets_uri) / dataset.id
    assert sorted(path.name for path in folder.iterdir()) == ["data.jsonl", "data.parquet", "manifest.json"]
    with line.database.read() as session:
        assert session.query(Dataset).count() == 1

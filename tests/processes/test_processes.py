"""Samples of processes: what is measured, kept, charted on both databases, and thrown away."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from fastapi.testclient import TestClient

from backend.client import ApiError, Client
from backend.processes import usage
from backend.processes.sampling import Sampler, store_in
from backend.processes.schemas import SampleIn
from db.analytics.catalog import BY_NAME
from db.analytics.measure import ProcessMeasure
from db.analytics.process_series import process_lines
from db.analytics.windows import make_window
from db.base import utc_now
from db.engine import Database
from db.models.signal import ProcessSample
from db.repositories import process_samples, retention

START = datetime(2026, 5, 4, tzinfo=UTC)


def test_a_process_knows_what_it_uses(tmp_path: Path) -> None:
    read = usage.Usage(tmp_path / "not" / "there" / "yet")
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    found = read.read()
    assert found["cpu_share"] > 0
    assert found["rss_bytes"] == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)
    assert found["disk_free_bytes"] <= found["disk_total_bytes"] == psutil.disk_usage(str(tmp_path)).total


class FakeNvml:
    """Two cards, of which the second disappears after a while."""

    def __init__(self) -> None:
        self.is_broken = False

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, place: int) -> int:
        if self.is_broken:
            raise RuntimeError("GPU is lost")
        return place

    def nvmlDeviceGetUtilizationRates(self, card: int) -> Any:
        return type("Rates", (), {"gpu": 20 + 40 * card})

    def nvmlDeviceGetMemoryInfo(self, card: int) -> Any:
        return type("Memory", (), {"used": 2**30 * (card + 1)})


def test_graphics_processors_are_read_where_they_are_and_forgotten_when_they_fail() -> None:
    cards = usage.Gpus()
    cards._is_absent, cards._nvml = False, FakeNvml()
    assert cards.read() == {"gpu_share": pytest.approx(0.4), "gpu_memory_bytes": 3 * 2**30}
    cards._nvml.is_broken = True
    assert cards.read() == {}
    cards._nvml.is_broken = False
    assert cards.read() == {}


def test_growing_counters_are_told_as_what_came_since_the_sample_before(database: Database, tmp_path: Path) -> None:
    counts = iter([100, 130, 130])
    sampler = Sampler("api", tmp_path, lambda: {"n_events": next(counts), "n_commit_waiting": 3}, store_in(database))
    rows = [sampler.sample(START + timedelta(seconds=30 * i)) for i in range(3)]
    assert [row["n_events"] for row in rows] == [100, 30, 0]
    assert rows[0]["n_commit_waiting"] == 3
    for row in rows:
        store_in(database)(row)
    with database.read() as session:
        (newest,) = process_samples.newest_samples(session, START)
        assert (newest.sampled_at, newest.pid, newest.gpu_share) == (START + timedelta(seconds=60), os.getpid(), None)


def test_a_sample_that_cannot_be_stored_is_lost_and_nothing_else(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("backend.processes.sampling.FIRST_S", 0.001)
    monkeypatch.setattr("backend.processes.sampling.EVERY_S", 0.001)
    tries: list[dict[str, Any]] = []

    def store(row: dict[str, Any]) -> None:
        tries.append(row)
        raise OSError("the disk is full")

    sampler = Sampler("worker", tmp_path, dict, store)
    sampler.start()
    sampler.start()
    until = time.monotonic() + 20
    while len(tries) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    sampler.stop()
    assert len(tries) >= 3


def fill(database: Database) -> None:
    """A week of samples every five minutes of two processes, the second one with a silent day."""
    with database.write() as session:
        for i in range(7 * 288):
            at = START + timedelta(minutes=5 * i, seconds=10)
            for place, name in enumerate(("api@a", "worker@a")):
                if place == 1 and i // 288 == 3:
                    continue
                figures = {"cpu_share": 0.1 + place, "rss_bytes": 1000 + i, "n_events": 100 * (i % 2), "n_commits": 10}
                session.add(ProcessSample(process=name, pid=1, started_at=START, sampled_at=at, **figures))


def test_samples_are_summed_into_buckets_with_gaps_as_gaps(database: Database) -> None:
    fill(database)
    week = make_window(START, START + timedelta(days=7), 86_400)

    def lines(name: str, window: Any = week) -> dict[str, list[float]]:
        measure = BY_NAME[name]
        assert isinstance(measure, ProcessMeasure)
        found = process_lines(database, measure, window)
        return dict(zip(found.series, found.value.tolist(), strict=True))

    assert lines("cpu_share")["api@a"] == pytest.approx([0.1] * 7)
    assert lines("cpu_share")["worker@a"] == pytest.approx([1.1] * 3 + [float("nan")] + [1.1] * 3, nan_ok=True)
    assert lines("memory_bytes")["api@a"] == [1000 + 288 * day + 287 for day in range(7)]
    assert lines("batch_size")["api@a"] == pytest.approx([5.0] * 7)
    assert lines("gpu_share") == {}
    whole = make_window(START, START + timedelta(days=7), 604_800)  # weeks begin on Mondays
    assert lines("shadow_drops_by_process", whole) == {}
    assert lines("memory_bytes", whole) == {"api@a": [1000 + 7 * 288 - 1], "worker@a": [1000 + 7 * 288 - 1]}


def test_samples_older_than_a_month_are_thrown_away(database: Database) -> None:
    fill(database)
    with database.write() as session:
        now = START + timedelta(days=31)
        removed = retention.remove_old(session, now, idempotency_hours=1, quarantine_days=1)
    assert removed["process_samples"] == 2 * 288


def test_processes_and_their_series_over_http(app: TestClient, sign_in: Callable[..., Client]) -> None:
    services: Any = app.app.state.services  # type: ignore[attr-defined]
    now = utc_now()
    store_in(services.database)(services.sampler.sample(now))
    viewer, scientist = sign_in("viewer").processes, sign_in("data_scientist").processes
    sample = {
        "process": "app@screens",
        "pid": 7,
        "started_at": now,
        "sampled_at": now,
        "rss_bytes": 5,
        "cpu_share": 0.5,
    }
    scientist.report(SampleIn(**sample))
    found = {process.process: process for process in viewer.list()}
    assert found["app@screens"].is_alive
    assert found["app@screens"].rss_bytes == 5
    api = found[services.sampler.process]
    assert (api.n_commit_waiting, api.n_shadow_waiting, api.n_jobs_waiting) == (0, 0, None)
    series = viewer.series("memory_bytes", now - timedelta(hours=1), now + timedelta(minutes=5))
    assert {line.name for line in series.lines} == set(found)
    assert (series.unit, series.grain_s) == ("bytes", 300)
    for name, status in (("requests", 404), ("beauty", 404)):
        with pytest.raises(ApiError) as refused:
            viewer.series(name, now - timedelta(hours=1), now)
        assert refused.value.status == status
    with pytest.raises(ApiError) as refused:
        viewer.report(SampleIn(**sample))
    assert refused.value.status == 403
    with pytest.raises(ApiError) as refused:
        scientist.report(SampleIn(**{**sample, "sampled_at": now - timedelta(days=1)}))
    assert refused.value.status == 422


def test_process_measures_belong_to_no_model(app: TestClient, sign_in: Callable[..., Client]) -> None:
    client = sign_in("data_scientist")
    client.models.create(name="pcb", item_kind="tabular")
    with pytest.raises(ApiError) as refused:
        client.monitors.series("pcb", "cpu_share", START, START + timedelta(days=1))
    assert (refused.value.status, "/v1/processes/series" in refused.value.message) == (422, True)

"""The worker: triages and seals, keeps house, goes on after failures, and ends cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from backend.client import Client
from backend.settings import Settings
from backend.worker import main
from backend.worker.main import Chore, Worker
from db.base import utc_now
from db.engine import Database
from db.models.event_log import EventBatch, IdempotencyKey, QuarantinedEvent
from db.models.model import Model
from db.models.person import User, UserSession
from db.models.review import Subject
from db.repositories import retention


@pytest.fixture
def worker(settings: Settings) -> Iterator[tuple[Worker, threading.Thread]]:
    """A worker that seals after a tenth of a second, in a thread of its own."""
    quick = settings.model_copy(update={"seal_seconds": 0.1})
    made = Worker(quick, threading.Event())
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made, thread
    made.stop.set()
    thread.join(40)
    assert not thread.is_alive()


def until(condition: Callable[[], Any], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def log_event(scientist: Client, model: str, subject: str) -> None:
    event = {"model": model, "version": "v1", "subject_id": subject, "prediction": "ok"}
    scientist.transport.request("POST", "/v1/predictions", json=event)


def n_hot(database: Database) -> int:
    with database.read() as session:
        return session.query(EventBatch).count()


def test_logged_events_are_triaged_and_sealed_and_the_worker_says_so(
    scientist: Client, line: Any, worker: tuple[Worker, threading.Thread]
) -> None:
    log_event(scientist, "pcb", "board-1")
    until(lambda: worker[0].status()["models"].get(line.model.id, {}).get("n_sealed") == 1)
    assert n_hot(line.database) == 0
    with line.database.read() as session:
        assert session.get(Subject, (line.model.id, "board-1")) is not None
    until(lambda: any(w.is_alive and w.status["models"] for w in scientist.jobs.workers()))


def test_one_models_failure_does_not_stop_the_others(
    scientist: Client,
    line: Any,
    worker: tuple[Worker, threading.Thread],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with line.database.write() as session:
        session.add(Model(name="broken", item_kind="image", labels=[{"name": "ok"}]))
    real = main.triage

    def fail_for_one(database: Database, eventlog: Any, model: Model, now: Any, **options: Any) -> Any:
        if model.name == "broken":
            raise ValueError("this model cannot be looked at")
        return real(database, eventlog, model, now, **options)

    monkeypatch.setattr(main, "triage", fail_for_one)
    log_event(scientist, "broken", "a")
    log_event(scientist, "pcb", "b")
    until(lambda: worker[0].status()["models"].get(line.model.id, {}).get("n_sealed") == 1)
    until(lambda: any("cannot be looked at" in (m["error"] or "") for m in worker[0].status()["models"].values()))
    assert n_hot(line.database) == 1


def test_a_database_that_goes_away_and_comes_back_is_survived(
    scientist: Client, line: Any, worker: tuple[Worker, threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Any) -> Any:
        raise OperationalError("SELECT 1", {}, Exception("the server closed the connection"))

    with monkeypatch.context() as gone:
        gone.setattr(main, "unsealed_models", away)
        log_event(scientist, "pcb", "late")
        time.sleep(2.5)
        assert n_hot(line.database) == 1
    until(lambda: n_hot(line.database) == 0, timeout_s=40)


def test_old_keys_refused_rows_and_ended_sessions_are_thrown_away(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PORTION", 2)
    now = utc_now()
    with database.write() as session:
        person = User(email="a@example.com", name="a", role="viewer")
        session.add(person)
        session.flush()
        old = [(f"old-{number}", timedelta(days=400)) for number in range(5)]
        for name, age in (*old, ("new", timedelta(minutes=1))):
            session.add(IdempotencyKey(key=name, request_hash="", status=200, body="", created_at=now - age))
            session.add(QuarantinedEvent(model_name=name, code="x", message="", raw="", received_at=now - age))
            expires_at = now + timedelta(hours=1) - age
            session.add(UserSession(token_hash=name, user_id=person.id, expires_at=expires_at))
    house = Worker(settings, threading.Event())
    house.keep_house()
    with database.read() as session:
        assert [row.key for row in session.query(IdempotencyKey)] == ["new"]
        assert [row.model_name for row in session.query(QuarantinedEvent)] == ["new"]
        assert [row.token_hash for row in session.query(UserSession)] == ["new"]


def test_a_failing_chore_waits_longer_each_time_and_recovers() -> None:
    chore = Chore("try", 0.01)

    def fail() -> None:
        raise ValueError("no")

    waits = []
    for _ in range(3):
        chore.next_at = 0
        begun = time.monotonic()
        chore.run(fail)
        waits.append(chore.next_at - begun)
    assert waits[0] < waits[1] < waits[2]
    assert chore.error == "ValueError: no"
    chore.next_at = 0
    chore.run(lambda: None)
    assert (chore.n_failures, chore.error) == (0, None)


@pytest.mark.faults
def test_sigterm_ends_the_process_cleanly_and_removes_its_row(
    scientist: Client, settings: Settings, database: Database
) -> None:
    script = textwrap.dedent(
        """
        import signal, sys, threading
        from backend.settings import Settings
        from backend.worker.main import run_worker
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        run_worker(
            Settings(data_dir=sys.argv[1], database_url=sys.argv[2], jobs_database_url=sys.argv[3], ui=False), stop
        )
        """
    )
    command = [sys.executable, "-c", script, str(settings.data_dir), settings.database_url, settings.jobs_database_url]
    process = subprocess.Popen(command)
    try:
        until(lambda: scientist.jobs.workers(), timeout_s=60)
        time.sleep(1)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
    assert scientist.jobs.workers() == []

"""Every process notes every 30 s what it uses and how long its queues are. A thread of its own: nothing waits for it,
and a sample that cannot be stored is lost without harm."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from backend.processes.usage import Usage
from db.base import utc_now
from db.engine import Database
from db.models.signal import ProcessSample
from db.repositories import process_samples

log = structlog.get_logger("soi.processes")

EVERY_S = 30.0
#: The first sample comes sooner, so that a new process is seen.
FIRST_S = 10.0
#: Gauges that only grow are stored as what they grew by since the sample before.
COUNTERS = ("n_shadow_drops", "n_events", "n_commits")

Gauges = Callable[[], Mapping[str, float]]
Store = Callable[[dict[str, Any]], object]


class Sampler:
    """Samples one process. `gauges` tells what only the process knows; `store` keeps a sample."""

    def __init__(self, kind: str, data_dir: Path, gauges: Gauges, store: Store) -> None:
        self.process = f"{kind}@{socket.gethostname()}"[:100]
        self.started_at = utc_now()
        self._usage = Usage(data_dir)
        self._gauges, self._store = gauges, store
        self._before: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; a second call does nothing."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="soi-sampler", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread; a sample under way may finish."""
        thread, self._thread = self._thread, None
        self._stop.set()
        if thread is not None:
            thread.join(timeout=5)

    def sample(self, now: datetime) -> dict[str, Any]:
        """What the process uses now, as a row of `process_samples`."""
        gauges = dict(self._gauges())
        for name in COUNTERS:
            if name in gauges:
                gauges[name], self._before[name] = gauges[name] - self._before.get(name, 0), gauges[name]
        whole = {name: value if name.endswith("_share") else int(value) for name, value in gauges.items()}
        return {
            "process": self.process,
            "pid": os.getpid(),
            "started_at": self.started_at,
            "sampled_at": now,
            **self._usage.read(),
            **whole,
        }

    def _run(self) -> None:
        wait_s = FIRST_S
        while not self._stop.wait(wait_s):
            wait_s = EVERY_S
            try:
                self._store(self.sample(utc_now()))
            except Exception as error:  # noqa: BLE001 - a lost sample is fine, a dead sampler is not
                log.debug("sample lost", error=f"{type(error).__name__}: {error}"[:200])


def store_in(database: Database) -> Store:
    """Keeps samples in the database that the process has open."""

    def store(row: dict[str, Any]) -> None:
        with database.write() as session:
            process_samples.add_sample(session, ProcessSample(**row))

    return store

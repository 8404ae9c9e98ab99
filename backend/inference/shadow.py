"""Shadow challengers: the same request, after the champion's answer has left, in a bounded queue with a deadline.

Nothing here can delay a caller: a full queue drops and counts, a call past its deadline is left behind, and a
challenger that hangs again and again is put aside for a minute.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import TimeoutError as CallTimeout
from dataclasses import dataclass

import structlog
from prometheus_client import Counter as Metric

from backend.inference.plan import VersionRef
from backend.inference.workers import Workers
from db.base import utc_now
from db.engine import Database
from db.repositories import ingestion

log = structlog.get_logger("soi.shadow")

DROPPED = Metric("soi_shadow_dropped_total", "Shadow calls that were not made", ["model", "version", "reason"])
#: A challenger that passes its deadline this often in a row is put aside for this long.
STRIKES, PENALTY_S = 3, 60.0
FLUSH_S = 5.0


@dataclass(frozen=True, slots=True)
class ShadowCall:
    """One request for one challenger. `run` makes the answer and returns what logs it."""

    model_name: str
    version: VersionRef
    run: Callable[[], Callable[[], None]]
    give_up: Callable[[str, str], None]


class ShadowRunner:
    """One thread that takes calls from the queue and gives each a deadline in a worker thread of its version."""

    def __init__(self, database: Database, *, size: int, deadline_s: float) -> None:
        self._database = database
        self._calls: queue.Queue[ShadowCall | None] = queue.Queue(maxsize=size)
        self._deadline_s = deadline_s
        self._workers: dict[str, Workers] = {}
        self._strikes: Counter[str] = Counter()
        self._aside_until: dict[str, float] = {}
        self._uncounted: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._flushed_at = time.monotonic()
        self.n_dropped = 0

    @property
    def n_waiting(self) -> int:
        """Calls that wait for their turn."""
        return self._calls.qsize()

    def offer(self, call: ShadowCall) -> bool:
        """Queue a call, or drop and count it; never waits."""
        if self._aside_until.get(call.version.id, 0.0) > time.monotonic():
            self._drop(call, "aside")
            return False
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            self._drop(call, "queue_full")
            return False
        self._ensure_thread()
        return True

    def wait_until_idle(self, timeout_s: float = 10.0) -> bool:
        """Wait until every queued call is over; for orderly shutdown and tests."""
        deadline = time.monotonic() + timeout_s
        while self._calls.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.005)
        return not self._calls.unfinished_tasks

    def close(self) -> None:
        """Finish the calls under way for at most one deadline, then count what was dropped."""
        if self._thread is not None:
            self.wait_until_idle(min(self._deadline_s, 5.0))
            try:
                self._calls.put_nowait(None)
            except queue.Full:
                log.warning("shadow calls left behind at stop", n=self._calls.qsize())
            self._thread.join(timeout=1.0)
        for workers in self._workers.values():
            workers.close()
        self._flush()

    def _ensure_thread(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="shadow", daemon=True)
                self._thread.start()

    def _loop(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                self._make(call)
                if time.monotonic() - self._flushed_at > FLUSH_S:
                    self._flush()
            except Exception as error:  # noqa: BLE001 - a challenger must not stop the others
                log.warning("shadow call failed", model=call.model_name, error=str(error)[:300])
                self._drop(call, "not_logged")
            finally:
                self._calls.task_done()

    def _make(self, call: ShadowCall) -> None:
        key = call.version.id
        if self._aside_until.get(key, 0.0) > time.monotonic():
            self._drop(call, "aside")
            return
        workers = self._workers.get(key)
        if workers is None:
            workers = self._workers[key] = Workers(1, f"shadow-{call.version.name}")
        future = workers.submit(call.run)
        try:
            store = future.result(timeout=self._deadline_s)
        except CallTimeout:
            self._abandon(key, workers)
            call.give_up("timeout", f"no answer within {self._deadline_s:g} s")
            return
        self._strikes[key] = 0
        store()

    def _abandon(self, key: str, workers: Workers) -> None:
        workers.close()
        del self._workers[key]
        self._strikes[key] += 1
        if self._strikes[key] >= STRIKES:
            self._strikes[key] = 0
            self._aside_until[key] = time.monotonic() + PENALTY_S
            log.warning("challenger put aside: it keeps passing its deadline", version=key, seconds=PENALTY_S)

    def _drop(self, call: ShadowCall, reason: str) -> None:
        DROPPED.labels(call.model_name, call.version.name, reason).inc()
        with self._lock:
            self.n_dropped += 1
            self._uncounted[(call.model_name, f"shadow_{reason}")] += 1

    def _flush(self) -> None:
        self._flushed_at = time.monotonic()
        with self._lock:
            counts, self._uncounted = self._uncounted, Counter()
        if counts:
            with self._database.write() as session:
                ingestion.add_counts(session, utc_now().replace(second=0, microsecond=0), counts)

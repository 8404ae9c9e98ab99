"""The committing thread: drains what waits, commits it in one transaction, then wakes the callers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from db.eventlog import metrics
from db.eventlog.commit import Committer
from db.eventlog.pending import Outcome, Pending
from db.eventlog.problems import LogUnavailable

log = structlog.get_logger("soi.eventlog")

#: One commit takes at most this much, so that the write lock is short and a reader's memory bounded.
GROUP_ROWS = 50_000
GROUP_BYTES = 16 * 2**20
#: After a commit of many small requests their senders get a moment to come back, so that the next one is as full:
#: 32 clients with one event a request get 8,000 instead of 6,000 events a second from the same processor time.
GATHER_REQUESTS = 6
GATHER_ROWS = 200
GATHER_S = 0.002
#: More than this waiting means that the disk is slower than the callers: they are told to come back.
QUEUE_BYTES = 192 * 2**20
QUEUE_REQUESTS = 20_000


class Writer:
    """Owns the queue and the thread. `submit` never blocks; the future of a Pending resolves after the fsync."""

    def __init__(self, committer: Committer) -> None:
        self.committer = committer
        self._queue: deque[Pending] = deque()
        self._queued_bytes = 0
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closing = False
        #: Since the start: what the sampler of the process divides to tell the size of a batch.
        self.n_events = self.n_commits = 0

    @property
    def n_waiting(self) -> int:
        """Requests that wait for the thread."""
        return len(self._queue)

    def start(self) -> None:
        """Start the thread; a second call does nothing."""
        with self._wake:
            if self._thread is None:
                self._is_closing = False
                self._thread = threading.Thread(target=self._run, name="eventlog-commit", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Commit what waits, then stop."""
        with self._wake:
            thread, self._thread = self._thread, None
            self._is_closing = True
            self._wake.notify_all()
        if thread is not None:
            thread.join(timeout=30)

    def submit(self, pending: Pending) -> None:
        """Queue a request, or raise LogUnavailable when too much waits already."""
        with self._wake:
            if self._thread is None:
                raise LogUnavailable("the event log is not running")
            if self._queued_bytes > QUEUE_BYTES or len(self._queue) > QUEUE_REQUESTS:
                raise LogUnavailable("more events wait than can be stored; slow down")
            self._queue.append(pending)
            self._queued_bytes += pending.n_bytes
            self._wake.notify()

    def _run(self) -> None:
        while True:
            group = self._take()
            if not group:
                return
            self._commit(group)
            if len(group) >= GATHER_REQUESTS and sum(pending.n for pending in group) <= GATHER_ROWS:
                time.sleep(GATHER_S)

    def _take(self) -> list[Pending]:
        with self._wake:
            while not self._queue and not self._is_closing:
                self._wake.wait()
            group: list[Pending] = []
            rows = size = 0
            while self._queue and rows < GROUP_ROWS and size < GROUP_BYTES:
                pending = self._queue.popleft()
                self._queued_bytes -= pending.n_bytes
                if not pending.begin():
                    continue  # its caller gave up: storing it now would store what was answered 503
                group.append(pending)
                rows += pending.n
                size += pending.n_bytes
            if not group and self._queue:
                return self._take()
        if not group and not self._is_closing:
            return self._take()
        return group

    def _commit(self, group: list[Pending]) -> None:
        metrics.QUEUE_BYTES.set(self._queued_bytes)
        metrics.COMMIT_REQUESTS.inc(len(group))
        try:
            with metrics.COMMIT_SECONDS.time():
                outcomes = self.committer.commit(group)
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            metrics.COMMIT_FAILURES.inc()
            log.warning("commit failed", error=str(error)[:300], n_requests=len(group))
            _answer([(pending, error) for pending in group])
        except Exception as error:  # noqa: BLE001 - one request must not take the others down with it
            self._commit_singly(group, error)
        else:
            self.n_commits += 1
            self.n_events += sum(pending.n for pending in group)
            _answer(list(zip(group, outcomes, strict=True)))

    def _commit_singly(self, group: list[Pending], error: Exception) -> None:
        if len(group) == 1:
            log.error("request not stored", error=repr(error)[:500])
            _answer([(group[0], error)])
            return
        for pending in group:
            self._commit([pending])


def _answer(results: list[tuple[Pending, Outcome | Exception]]) -> None:
    """Hand results to their callers: threads one by one, coroutines of one loop all at once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Outcome], Outcome | Exception]]] = {}
    for pending, result in results:
        if pending.waiter is not None:
            by_loop.setdefault(pending.waiter.get_loop(), []).append((pending.waiter, result))
        elif pending.future is None:
            continue  # nobody waits
        elif isinstance(result, Exception):
            pending.future.set_exception(result)
        else:
            pending.future.set_result(result)
    for loop, woken in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_wake_all, woken)


def _wake_all(woken: list[tuple[asyncio.Future[Outcome], Outcome | Exception]]) -> None:
    for waiter, result in woken:
        if waiter.done():
            continue
        if isinstance(result, Exception):
            waiter.set_exception(result)
        else:
            waiter.set_result(result)

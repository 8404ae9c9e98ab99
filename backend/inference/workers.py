"""Daemon threads that run model code, so that a call that never returns can be left behind.

Model code runs in threads, not in the event loop and not in processes: torch gives up the interpreter lock while it
computes, a loaded version is shared by all calls, and no input has to be copied to another process. A thread cannot
be killed: a call past its deadline keeps its thread until it ends, and a pool that lost its threads is replaced.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

Result = TypeVar("Result")


class Full(RuntimeError):
    """More waits for these threads than may."""


class Workers:
    """A few daemon threads. Unlike a ThreadPoolExecutor it never keeps the process from ending. `limit`: jobs that may
    run and wait together; more are refused."""

    def __init__(self, n: int, name: str, *, limit: int | None = None) -> None:
        self._limit = limit
        self._n_jobs = 0
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._n = n
        for number in range(n):
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True).start()

    def submit(self, job: Callable[[], Result]) -> Future[Result]:
        """Run a job in one of the threads; Full when too many wait already."""
        future: Future[Result] = Future()
        if self._limit is not None:
            with self._lock:
                if self._n_jobs >= self._limit:
                    raise Full(f"{self._limit} requests wait already")
                self._n_jobs += 1
        self._jobs.put((future, job))
        return future

    def close(self) -> None:
        """Let the threads end after what they are doing."""
        for _ in range(self._n):
            self._jobs.put(None)

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            future, job = item
            if not future.set_running_or_notify_cancel():
                self._leave()
                continue
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001 - whatever model code raises belongs to its caller
                self._leave()
                future.set_exception(error)
            else:
                # Before anybody hears of it: who does may come with the next job at once, and must find the place free.
                self._leave()
                future.set_result(result)

    def _leave(self) -> None:
        with self._lock:
            self._n_jobs -= 1

"""Child processes of the worker: work that is heavy, or that only a floor above may do, in a process of its own.

A child speaks through a pipe: ("progress", ...), ("message", text), and last ("done", result) or ("failed", text).
When the worker dies, so does the child within a second.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Protocol


class ChildFailed(RuntimeError):
    """The child said what went wrong, died, or took too long."""


class Watch(Protocol):
    """How a job tells of itself; `backend.worker.jobs.RunningJob` is one."""

    def tell(self, fraction: float, step: str = "") -> None: ...
    def message(self, text: str) -> None: ...
    def check(self) -> None: ...


Main = Callable[[Any, Connection], None]


def supervise(
    main: Main,
    task: Any,
    watch: Watch,
    on_progress: Callable[..., None],
    *,
    name: str,
    limit_s: float | None = None,
) -> Any:
    """Run `main(task, pipe)` in a process of its own until it is done; its result. Raises ChildFailed."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=main, args=(task, theirs), name=name, daemon=True)
    process.start()
    theirs.close()
    deadline = time.monotonic() + limit_s if limit_s is not None else None
    try:
        while True:
            watch.check()
            if not ours.poll(0.5):
                if deadline is not None and time.monotonic() > deadline:
                    raise ChildFailed(f"it took longer than {limit_s:.0f} s")
                continue
            try:
                word, *rest = ours.recv()
            except EOFError:
                process.join(5)
                raise ChildFailed(f"the process died (exit code {process.exitcode})") from None
            if word == "done":
                return rest[0]
            if word == "failed":
                raise ChildFailed(str(rest[0]))
            if word == "message":
                watch.message(str(rest[0]))
            else:
                on_progress(*rest)
    finally:
        if process.is_alive():
            process.kill()
        process.join(5)
        ours.close()


def run(work: Callable[[], Any], pipe: Connection) -> None:
    """The frame of a child: politely slow, ended with its parent, and its result or failure told."""
    os.nice(10)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        pipe.send(("done", work()))
    except BrokenPipeError:
        return
    except Exception as error:  # noqa: BLE001 - whatever goes wrong here is the job's failure, told to the worker
        pipe.send(("failed", f"{type(error).__name__}: {error}"))


def _end_with(parent: int) -> None:
    """A process whose parent died is handed to another one."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)

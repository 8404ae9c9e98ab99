"""Shapes of jobs: long work with progress."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from backend.shapes import Output

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
JobKind = Literal["dataset", "retraining", "import", "export", "report"]


class JobMessage(Output):
    at: datetime
    text: str


class JobInfo(Output):
    """One job. `is_stalled`: it claims to run, and its worker has been silent for twenty seconds or more."""

    id: str
    kind: str
    model: str | None
    state: str
    is_stalled: bool
    progress: float
    step: str
    parameters: dict[str, Any]
    result: dict[str, Any]
    messages: list[JobMessage]
    error: str | None
    n_attempts: int
    created_by: str
    created_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None


class WorkerInfo(Output):
    """One worker process. `status` says per model what it did last."""

    name: str
    started_at: datetime
    heartbeat_at: datetime
    is_alive: bool
    status: dict[str, Any]

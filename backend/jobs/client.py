"""Calling side of jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from backend.jobs.schemas import JobInfo, WorkerInfo
from backend.transport import Transport

Jobs = list[JobInfo]
Workers = list[WorkerInfo]


class JobsClient:
    """`client.jobs`: long work with progress."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, **filters: Any) -> Jobs:
        """Jobs, newest first; filters: model, kind, state, before_id, limit."""
        return self._transport.get_list("/v1/jobs", JobInfo, **filters)

    def get(self, job_id: str) -> JobInfo:
        return self._transport.get(f"/v1/jobs/{job_id}", JobInfo)

    def cancel(self, job_id: str) -> JobInfo:
        return self._transport.send("POST", f"/v1/jobs/{job_id}/cancel", JobInfo)

    def workers(self) -> Workers:
        """The worker processes, the one heard of last first."""
        return self._transport.get_list("/v1/jobs/workers", WorkerInfo)

    def wait(
        self, job_id: str, *, timeout_s: float = 600, poll_s: float = 0.5, tell: Callable[[JobInfo], None] | None = None
    ) -> JobInfo:
        """Poll until a job is done, failed or cancelled; TimeoutError when it is not in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            job = self.get(job_id)
            if tell is not None:
                tell(job)
            if job.state not in ("queued", "running"):
                return job
            if time.monotonic() > deadline:
                raise TimeoutError(f"job {job_id} is still {job.state} at {job.progress:.0%}")
            time.sleep(poll_s)

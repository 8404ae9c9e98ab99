"""Shapes of processes: what each uses now, and over time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from backend.monitors.schemas import Points
from backend.shapes import Input, Moment, Output

_Share = Annotated[float, Field(ge=0)]
_Count = Annotated[int, Field(ge=0, lt=2**62)]


class SampleIn(Input):
    """What a process that has no database open (the screens alone) says about itself."""

    process: Annotated[str, StringConstraints(pattern=r"^app@[\w.-]{1,90}$")]
    pid: Annotated[int, Field(ge=0, lt=2**31)]
    started_at: Moment
    sampled_at: Moment
    cpu_share: _Share | None = None
    rss_bytes: _Count | None = None
    disk_free_bytes: _Count | None = None
    disk_total_bytes: _Count | None = None
    gpu_share: _Share | None = None
    gpu_memory_bytes: _Count | None = None


class ProcessOut(Output):
    """The newest sample of a process; null: it does not know. `is_alive`: it was heard of in the last 90 s."""

    process: str
    pid: int
    started_at: datetime
    sampled_at: datetime
    is_alive: bool = False
    cpu_share: float | None
    rss_bytes: int | None
    disk_free_bytes: int | None
    disk_total_bytes: int | None
    gpu_share: float | None
    gpu_memory_bytes: int | None
    n_commit_waiting: int | None
    n_shadow_waiting: int | None
    n_jobs_waiting: int | None


class ProcessSeries(BaseModel):
    """A measure of processes over time: one line per process ("<kind>@<host>"), `n` is the number of samples."""

    measure: str
    unit: str
    bad: str
    chart: str
    grain_s: int
    start: datetime
    end: datetime
    bucket_at: list[datetime]
    lines: list[Points]

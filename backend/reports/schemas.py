"""Shapes of reports, of the schedules that make them, and of the counts of people's work that they show."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from backend.auth.schemas import Language, TimeZone
from backend.shapes import Input, Moment, Output

Verdict = Literal["ok", "warning", "bad", "no_data"]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
ChannelId = Annotated[str, StringConstraints(pattern="^[0-9a-f-]{36}$")]


def _once(languages: list[Language]) -> list[Language]:
    return list(dict.fromkeys(languages))


Languages = Annotated[list[Language], Field(min_length=1, max_length=10), AfterValidator(_once)]


class ReportCreate(Input):
    """A report to make now: the `days` up to `end` (default: up to now), written in each of `languages`."""

    model: ModelName
    days: Annotated[int, Field(ge=1, le=92)] = 7
    end: Moment | None = None
    languages: Languages = ["en", "vi"]
    timezone: TimeZone = "UTC"
    channel_id: ChannelId | None = None


class ReportFileInfo(Output):
    language: str
    n_bytes: int
    sha256: str


class ReportInfo(Output):
    """One report with how far it is. `verdict` is the model's state in it; `files` are there once it is done."""

    id: str
    model: str
    window_start: datetime
    window_end: datetime
    timezone: str
    languages: list[str]
    state: str
    is_stalled: bool
    progress: float
    step: str
    error: str | None
    verdict: str | None
    files: list[ReportFileInfo]
    schedule_id: str | None
    due_at: datetime | None
    delivery: str
    job_id: str
    created_by: str
    created_at: datetime


class ScheduleCreate(Input):
    """A report every week: `weekday` (0 is Monday) at `hour`:00 of the wall clock in `timezone`.

    It tells of the seven whole days before that day. `channel_id`: where it is sent when it is made.
    """

    model: ModelName
    weekday: Annotated[int, Field(ge=0, le=6)] = 0
    hour: Annotated[int, Field(ge=0, le=23)] = 7
    timezone: TimeZone = "UTC"
    languages: Languages = ["en", "vi"]
    channel_id: ChannelId | None = None
    is_active: bool = True


class SchedulePatch(Input):
    """Changes to a schedule; `channel_id` null takes the channel away."""

    weekday: Annotated[int, Field(ge=0, le=6)] | None = None
    hour: Annotated[int, Field(ge=0, le=23)] | None = None
    timezone: TimeZone | None = None
    languages: Languages | None = None
    channel_id: ChannelId | None = None
    is_active: bool | None = None


class ScheduleInfo(Output):
    id: str
    model: str
    weekday: int
    hour: int
    timezone: str
    languages: list[str]
    channel_id: str | None
    is_active: bool
    next_due_at: datetime
    last_due_at: datetime | None
    created_by: str
    created_at: datetime


class PeopleCounts(Output):
    """Labels that people gave, by how many people, about how many subjects."""

    n_decisions: int
    n_people: int
    n_subjects: int


class QueueCounts(Output):
    """Items opened and closed in the window, open now, and since when the oldest of them waits."""

    n_opened: int
    n_closed: int
    n_open: int
    oldest_open_at: datetime | None


class DatasetLine(Output):
    name: str
    n_items: int
    created_at: datetime


class RunLine(Output):
    """A retraining run: accuracy of the new version and of its parent on the same held-out part."""

    parent_version: str
    new_version: str | None
    dataset: str | None
    state: str
    accuracy: float | None
    parent_accuracy: float | None
    created_at: datetime


class Activity(Output):
    """What people did for a model in a window, and in the one before: counts, never single items."""

    model: str
    start: datetime
    end: datetime
    people: PeopleCounts
    people_before: PeopleCounts
    labels: dict[str, int]
    labels_before: dict[str, int]
    items: QueueCounts
    disputes: QueueCounts
    n_labels: int
    n_labels_since_dataset: int
    last_dataset: DatasetLine | None
    datasets: list[DatasetLine]
    runs: list[RunLine]

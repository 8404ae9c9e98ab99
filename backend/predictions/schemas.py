"""Shapes of the prediction routes: what logging answers, stored events, refused rows and schema notices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class LoggedEvent(BaseModel):
    """The answer for one logged event: `status` is new or duplicate."""

    id: str
    status: str


class ItemResult(BaseModel):
    """One event of a bulk request that is not simply new."""

    index: int
    status: int
    code: str
    id: str | None = None
    pointer: str = ""
    message: str = ""


class BulkResult(BaseModel):
    """The answer of a bulk request. `results` names only events that are not new; `ids` comes with ?ids=true."""

    n: int
    n_new: int
    n_duplicate: int
    n_refused: int
    results: list[ItemResult] = Field(default_factory=list)
    ids: list[str | None] | None = None


class EventPage(BaseModel):
    """Stored events, newest first, and where the next page begins."""

    model: str
    events: list[dict[str, Any]]
    next_cursor: str | None = None


class QuarantineRow(BaseModel):
    """An event that was refused for its content. `actor_name` is told to people, where it is known."""

    id: int
    model: str
    received_at: datetime
    code: str
    pointer: str
    message: str
    raw: str
    actor: str
    actor_name: str | None = None


class Notice(BaseModel):
    """A change that callers made to a model's inputs."""

    id: int
    model: str
    field: str
    change: str
    details: dict[str, Any]
    n_events: int
    first_seen_at: datetime
    last_seen_at: datetime
    acknowledged_by: str | None

"""Shapes of the outbox: messages and what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from backend.shapes import Output


class MessageOut(Output):
    """A message. `channel` is null for one that went to an address of its own; `state` given_up: it was left."""

    id: str
    kind: str
    channel_id: str | None
    channel: str | None
    model: str | None
    event: str | None
    state: Literal["waiting", "sent", "given_up"]
    n_attempts: int
    next_at: datetime
    give_up_at: datetime
    last_error: str | None
    created_at: datetime
    sent_at: datetime | None


class MessagePage(Output):
    """Messages, newest first; send the last id back as `before_id` for the following ones."""

    items: list[MessageOut]
    counts: dict[str, int]

"""Shapes of resolutions: items that people settled, in the order in which it became known."""

from __future__ import annotations

from datetime import datetime

from backend.shapes import Output


class ResolutionOut(Output):
    """An item that people resolved: `method` consensus or adjudication. `label` null: the resolution was taken back and
    nothing took its place. `event_id`: the answer that callers got about the subject, where one is known."""

    number: int
    id: str
    subject_id: str
    event_id: str | None
    label: str | None
    method: str
    resolved_at: datetime
    logged_at: datetime


class ResolutionPage(Output):
    """Resolutions after a number; send `next_after` back as `after` for the following ones, now or later."""

    items: list[ResolutionOut]
    next_after: int

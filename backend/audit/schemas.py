"""Shapes of the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backend.shapes import Output


class AuditLine(Output):
    """Who did what to what. `hash` covers the line and `previous_hash`."""

    id: int
    at: datetime
    actor: str
    actor_name: str | None = None
    action: str
    target: str
    details: dict[str, Any]
    reason: str | None
    previous_hash: str
    hash: str


class AuditCheck(Output):
    """`first_bad_id` is the first line that does not fit the chain; null when all do."""

    is_intact: bool
    n_lines: int
    first_bad_id: int | None

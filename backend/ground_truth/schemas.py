"""Shapes of resolved labels."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from backend.shapes import Input, Moment, Output

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
MAX_TRUTHS = 1_000


class TruthIn(Input):
    """A label that is known by now. `method` says how: measured (a test, a return, an outcome), imported, corrected."""

    subject_id: Name
    label: Name
    method: Literal["measured", "imported", "corrected"] = "measured"
    resolved_at: Moment | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class TruthsBody(Input):
    model: Name
    truths: list[TruthIn] = Field(min_length=1, max_length=MAX_TRUTHS)


class TruthResult(Output):
    """stored: a new row is in force. unchanged: the same label was in force already. refused: see message."""

    index: int
    status: Literal["stored", "unchanged", "refused"]
    id: str | None = None
    replaces: str | None = None
    code: str | None = None
    message: str | None = None


class TruthsStored(Output):
    n_stored: int
    n_unchanged: int
    n_refused: int
    results: list[TruthResult]


class TruthOut(Output):
    """A resolved label as it is stored."""

    id: str
    subject_id: str
    label: str
    method: str
    resolved_by: str
    details: dict[str, Any]
    resolved_at: datetime
    logged_at: datetime
    is_current: bool

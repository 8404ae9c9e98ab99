"""Shapes of /v1/models/{model}/predict."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from backend.shapes import Input, Output

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class PredictBody(Input):
    """One thing to judge. For pictures: `artifacts` = [item, golden sample?], uploaded to /v1/artifacts before.

    `wait_s`: how long to wait for a person, where one decides, before the answer is "pending".
    """

    subject_id: Name | None = None
    request_id: Name | None = None
    trace_id: Name | None = None
    step: Name | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    artifacts: list[Sha256] = Field(default_factory=list, max_length=8)
    segments: dict[str, str] = Field(default_factory=dict, max_length=50)
    wait_s: float = Field(0, ge=0, le=60)


class Prediction(Output):
    """The answer. `id` is the logged event's; `prediction` null means that none was given.

    `status` pending: a person decides, ask `pending_url` again, until `deadline_at` where there is one; expired: nobody
    did, and no fallback is declared. `decided_by`: machine, person, or fallback (the label declared for that).
    `version` is the one that answered; null where none did.
    """

    id: str
    subject_id: str
    version: str | None = None
    prediction: str | float | None = None
    score: float | None = None
    scores: dict[str, float] = {}
    latency_ms: float
    status: Literal["answered", "pending", "expired"] = "answered"
    decided_by: Literal["machine", "person", "fallback"] | None = "machine"
    pending_url: str | None = None
    deadline_at: datetime | None = None

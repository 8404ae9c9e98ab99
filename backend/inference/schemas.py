"""Shapes of POST /v1/models/{model}/predict."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from backend.shapes import Input, Output

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class PredictBody(Input):
    """One thing to judge. For pictures: `artifacts` = [item, golden sample?], uploaded to /v1/artifacts before."""

    subject_id: Name | None = None
    request_id: Name | None = None
    trace_id: Name | None = None
    step: Name | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    artifacts: list[Sha256] = Field(default_factory=list, max_length=8)
    segments: dict[str, str] = Field(default_factory=dict, max_length=50)


class Prediction(Output):
    """The champion's answer. `id` is the logged event's; `prediction` null means that it gave no answer."""

    id: str
    subject_id: str
    version: str
    prediction: str | float | None
    score: float | None
    scores: dict[str, float]
    latency_ms: float

"""Shapes of decisions made elsewhere, and of all decisions as they are read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from backend.shapes import Input, Moment, Output
from review.rules.skips import SkipReason

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Judge = Annotated[str, StringConstraints(pattern=r"^(person|predictor):\S.{0,189}$", max_length=200)]
MAX_DECISIONS = 1_000


class DecisionIn(Input):
    """A decision made outside the bench.

    `judge` is "person:<id>" or "predictor:<name>". `pi` is the probability with which the item had been drawn for
    this judge; 0 or absent means picked by hand, and then the decision is no evidence about the model as a whole.
    `skip_reason` goes with the verb skip alone.
    """

    subject_id: Name
    judge: Judge
    label: Name | None = None
    verb: Literal["label", "unsure", "skip"] = "label"
    seen: Literal["blind", "assisted", "revealed"] = "blind"
    event_id: Name | None = None
    decided_at: Moment | None = None
    duration_ms: int | None = Field(None, ge=0, le=86_400_000)
    pi: float | None = Field(None, ge=0, le=1)
    comment: Annotated[str, StringConstraints(max_length=4_000)] | None = None
    skip_reason: SkipReason | None = None
    details: dict[str, Any] = Field(default_factory=dict)
    idempotency_key: Annotated[str, StringConstraints(min_length=1, max_length=120)] | None = None


class DecisionsBody(Input):
    model: Name
    decisions: list[DecisionIn] = Field(min_length=1, max_length=MAX_DECISIONS)


class DecisionResult(Output):
    """What became of one decision, at the index at which it was sent."""

    index: int
    status: Literal["stored", "duplicate", "refused"]
    id: str | None = None
    is_evidence: bool | None = None
    why_not_evidence: str | None = None
    is_subject_known: bool | None = None
    code: str | None = None
    message: str | None = None


class DecisionsStored(Output):
    n_stored: int
    n_duplicates: int
    n_refused: int
    results: list[DecisionResult]


class DecisionOut(Output):
    """A decision as it is stored."""

    id: str
    subject_id: str
    event_id: str | None
    task_id: str | None
    judge: str
    label: str | None
    verb: str
    seen: str
    is_adjudication: bool
    duration_ms: int | None
    pi: float | None
    is_evidence: bool
    is_planted: bool = False
    comment: str | None
    skip_reason: str | None = None
    boxes: list[dict[str, Any]]
    details: dict[str, Any]
    decided_at: datetime
    logged_at: datetime
    superseded_by: str | None

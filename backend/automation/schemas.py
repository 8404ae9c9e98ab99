"""Shapes of the automation ladder: policies with their gates, verdicts, blocks, back-tests and recalls."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from backend.shapes import Input, Output, Reason
from review.rules.automation import Kind
from review.rules.levels import LEVELS, Level

Share = Annotated[float, Field(gt=0, lt=1)]
#: The whole model, or one of its segments as "line=L1".
Segment = Annotated[str, StringConstraints(max_length=320, pattern=r"^$|^[^=]{1,100}=.{1,200}$")]
StepLevel = Literal["shadow", "assist", "partial", "full"]


class AccuracyGate(Input):
    """The lower bound of the share of right answers is at least `target`."""

    kind: Literal["accuracy"] = "accuracy"
    target: Share


class NonInferiorityGate(Input):
    """The model agrees with an inspector at most `margin` less often than a second inspector does."""

    kind: Literal["non_inferiority"] = "non_inferiority"
    margin: Annotated[float, Field(gt=0, le=0.5)]


class EscapeGate(Input):
    """The upper bound of escapes is at most `limit`: defects among what was `passed`, or missed among all `defects`."""

    kind: Literal["escape"] = "escape"
    of: Literal["passed", "defects"] = "passed"
    limit: Share


class AuditedShareGate(Input):
    """People judged at least this share of the answers blind."""

    kind: Literal["audited_share"] = "audited_share"
    minimum: Annotated[float, Field(gt=0, le=1)]


class DriftGate(Input):
    """No feature of the newest days drifted with harm."""

    kind: Literal["drift"] = "drift"


class LatencyGate(Input):
    """The latency of the newest days, at a percentile, stays within a limit."""

    kind: Literal["latency"] = "latency"
    quantile: Literal["p50", "p90", "p95", "p99"] = "p95"
    limit_ms: Annotated[float, Field(gt=0, le=3_600_000)]


Gate = Annotated[
    AccuracyGate | NonInferiorityGate | EscapeGate | AuditedShareGate | DriftGate | LatencyGate,
    Field(discriminator="kind"),
]
_PROVING = frozenset({"accuracy", "non_inferiority", "escape"})


class Step(Input):
    """What it takes to enter a level and to stay in it. `promote`: by a person's click, or by the worker."""

    level: StepLevel
    promote: Literal["click", "automatic"] = "click"
    gates: Annotated[list[Gate], Field(min_length=1, max_length=12)]

    @model_validator(mode="after")
    def _check_gates(self) -> Step:
        keys = [(gate.kind, getattr(gate, "of", None) or getattr(gate, "quantile", None)) for gate in self.gates]
        if len(keys) != len(set(keys)):
            raise ValueError(f"step {self.level} declares a gate twice")
        if self.promote == "automatic" and not _PROVING & {gate.kind for gate in self.gates}:
            raise ValueError(
                f"step {self.level} promotes by itself: it needs a gate on accuracy, non_inferiority or escape"
            )
        return self


class AcceptRule(Input):
    """At level "partial": accept answers while their errors stay, with confidence 1 - alpha, at most `limit`."""

    limit: Share
    alpha: Annotated[float, Field(gt=0, le=0.2)] = 0.05


class Policy(Input):
    """Gates per step. `alpha`: the chance with which a gate may be passed wrongly, however often it is looked at.

    `window_days` is the longest stretch of evidence; `recent_days` the newest part, where harm shows first.
    """

    alpha: Annotated[float, Field(gt=0, le=0.2)] = 0.05
    window_days: Annotated[int, Field(ge=1, le=366)] = 90
    recent_days: Annotated[int, Field(ge=1, le=90)] = 7
    steps: Annotated[list[Step], Field(min_length=1, max_length=4)]
    accept: AcceptRule | None = None

    @model_validator(mode="after")
    def _check_steps(self) -> Policy:
        places = [LEVELS.index(step.level) for step in self.steps]
        if places != sorted(set(places)):
            raise ValueError("steps are declared once each, from the lowest level to the highest")
        if self.recent_days > self.window_days:
            raise ValueError("recent_days is longer than window_days")
        if "partial" in {step.level for step in self.steps} and self.accept is None:
            raise ValueError("a step to partial needs accept: what may be accepted without a person")
        return self


class PolicyIn(Input):
    """A policy put in force. `based_on`: refuse (409) if another one came into force since this id (0: the first)."""

    segment: Segment = ""
    policy: Policy
    reason: Reason
    based_on: int | None = Field(None, ge=0, lt=2**31)


class PolicyOut(Output):
    """One version of a policy; `policy` null took it away."""

    id: int
    segment: str
    policy: dict[str, Any] | None
    reason: str
    created_by: str
    created_by_name: str | None = None
    created_at: datetime


class VerdictOut(Output):
    """A verdict with what it was made of. `is_replayed`: worked out again from the stored evidence, the same bytes."""

    id: int
    segment: str
    policy_id: int
    kind: Kind
    level: str
    version: str | None
    evidence: dict[str, Any]
    policy: dict[str, Any]
    verdict: dict[str, Any]
    sha256: str
    is_replayed: bool
    rollout_id: int | None
    decided_at: datetime


class VerdictLine(Output):
    """A verdict in a list."""

    id: int
    segment: str
    kind: Kind
    level: str
    version: str | None
    key: str
    to: str | None
    n_more: int | None
    rollout_id: int | None
    decided_at: datetime


class BlockOut(Output):
    id: int
    segment: str
    reason: str
    created_by: str
    created_by_name: str | None = None
    created_at: datetime
    ended_by: str | None = None
    ended_by_name: str | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None


class Rung(Output):
    """One ladder of a model: where the whole or a segment stands. `verdict` null: not evaluated yet."""

    segment: str
    level: Level
    champion: str | None
    acceptance: dict[str, Any] | None
    rollout_id: int | None
    policy: PolicyOut | None
    block: BlockOut | None
    verdict: VerdictOut | None


class Ladder(Output):
    """All ladders of a model, the whole model first."""

    model: str
    segment_keys: list[str]
    has_positives: bool
    rungs: list[Rung]


class LadderAct(Input):
    """Which ladder, and why it is moved, held or let go."""

    segment: Segment = ""
    reason: Reason


class EvaluateIn(Input):
    segment: Segment = ""


class BacktestIn(Input):
    """What a policy would have said on each of the last `days` days. `level`: as if the model had stood there."""

    segment: Segment = ""
    policy: Policy
    days: int = Field(30, ge=2, le=90)
    level: Level | None = None
    clock: Literal["logged", "resolved"] = "logged"


class BacktestDay(Output):
    """The verdict at the end of one day (UTC), from what was known then; kind "none": nobody answered yet."""

    at: datetime
    level: str
    version: str | None
    kind: Literal["promote", "keep", "more_labels", "blocked", "step_back", "none"]
    key: str
    to: str | None
    n_labels: int
    n_more: int | None
    accuracy: float | None
    lower: float | None
    upper: float | None


class Backtest(Output):
    """`not_replayed` names gates that past days cannot tell, which count as unknown."""

    days: list[BacktestDay]
    not_replayed: list[str]


class RecallIn(Input):
    """Live answers of a version between two times, the likeliest wrong first."""

    version: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    segment: Segment = ""
    start: datetime | None = None
    end: datetime | None = None
    limit: int = Field(200, ge=1, le=1_000)
    reason: Reason


class RecallItem(Output):
    """`chance_wrong`: from scores calibrated on people's answers; `was` says what the version answered."""

    subject_id: str
    event_id: str
    happened_at: datetime
    was: str | None
    score: float | None
    chance_wrong: float


class RecallPreview(Output):
    """What a recall would open. `n_answers` live answers of the version; `n_judged` of them people judged already."""

    version: str
    start: datetime
    end: datetime
    n_answers: int
    n_judged: int
    n_subjects: int
    expected_wrong: float | None
    method: Literal["calibrated", "score", "none"]
    items: list[RecallItem]


class RecallOut(Output):
    """`n_opened` new tasks; `n_raised` that waited already and come sooner now."""

    id: int
    version: str
    segment: str
    window_start: datetime
    window_end: datetime
    n_answers: int
    n_opened: int
    n_raised: int
    reason: str
    created_by: str
    created_by_name: str | None = None
    created_at: datetime

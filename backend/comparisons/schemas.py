"""Shapes of a comparison of two judges and of the items on which they differ."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel


class Rate(BaseModel):
    """A share of `n` with its 95 % Wilson interval; null when n is 0."""

    value: float | None
    n: int
    lower: float | None
    upper: float | None


class Statistic(BaseModel):
    """A coefficient, or null with the reason why it is undefined."""

    value: float | None
    reason: str | None = None


class LabelAgreement(BaseModel):
    """Agreement on one label alone: what a high percentage on a rare label hides."""

    label: str
    is_defect: bool
    agreement: Statistic
    n_a: int
    n_b: int


class Inspection(BaseModel):
    """One judge as an inspector against the truth; escape has two definitions and both are named."""

    miss: Rate
    escape_of_passed: Rate
    overkill: Rate
    false_call: Rate
    effectiveness: Rate


class AgreementPoint(BaseModel):
    """Agreement in one bucket of time."""

    bucket_at: datetime
    agreement: Rate


class SegmentAgreement(BaseModel):
    """Agreement within one value of one segment key."""

    key: str
    value: str
    agreement: Rate


class RightCounts(BaseModel):
    """Who was right where the truth is known, with McNemar's exact p for "equally often right"."""

    n: int
    both: int
    only_a: int
    only_b: int
    neither: int
    accuracy_a: Rate
    accuracy_b: Rate
    mcnemar_p: Statistic


class NoiseFloor(BaseModel):
    """How often two people agree about the same subject: no model can be expected to do better."""

    n_subjects: int
    agreement: Rate


class Comparison(BaseModel):
    """Two judges on the same subjects. `matrix` has a's labels as rows and b's as columns; '' is "no answer".

    `agreement` is that of the items both looked at. Doubtful items are chosen for review more often, so for a version
    beside people `agreement_of_all` estimates it for all that was logged: each item weighs one over the probability
    with which it was chosen (Hajek), with Wilson's interval on Kish's effective number, which is its `n`.
    """

    model: str
    a: str
    b: str
    by: Literal["subject", "request"]
    seen: Literal["blind", "any"]
    start: datetime
    end: datetime
    grain_s: int
    n: int
    agreement: Rate
    agreement_of_all: Rate | None = None
    kappa: Statistic
    ac1: Statistic
    labels: list[str]
    matrix: list[list[int]]
    by_label: list[LabelAgreement]
    inspection_a: Inspection | None = None
    inspection_b: Inspection | None = None
    right: RightCounts
    over_time: list[AgreementPoint]
    by_segment: list[SegmentAgreement]
    noise_floor: NoiseFloor | None


class JudgeOut(BaseModel):
    """Somebody or something that can be compared; `judge` is how comparisons name it.

    A person whom the reader may not know by name is "inspector:<number>", and the number is the title.
    """

    judge: str
    kind: Literal["version", "people", "user", "person", "inspector", "predictor", "truth"]
    title: str
    n_decisions: int | None = None


class Disagreement(BaseModel):
    """One item on which the two judges differ; `truth` where it is resolved."""

    subject_id: str | None
    event_id: str | None
    artifact: str | None
    happened_at: datetime
    label_a: str
    label_b: str
    score: float | None
    truth: str | None
    segments: dict[str, str]


class DisagreementPage(BaseModel):
    """Newest first; send `next_cursor` back for the following items."""

    items: list[Disagreement]
    next_cursor: str | None

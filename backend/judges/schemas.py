"""Shapes of judging the judges: attribute agreement, one inspector's own page, consensus, and a calibration set."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from backend.auth.rules import Visibility

#: What a judge is held against. independent: labels that did not come out of the review queue (gold, a test, a return).
#: settled: those, and what a third person settled; such items were disputed, so they are the harder ones.
Standard = Literal["independent", "settled"]
Verdict = Literal["acceptable", "marginal", "unacceptable"]
Criterion = Literal["effectiveness", "miss", "false_alarm"]


class Share(BaseModel):
    """`n_hits` of `n` with the exact (Clopper-Pearson) 95 % interval; null when n is 0."""

    value: float | None
    n_hits: int
    n: int
    lower: float | None
    upper: float | None


class JudgedShare(Share):
    """A share against its limits. `is_sure`: its whole interval lies within the verdict."""

    verdict: Verdict | None
    is_sure: bool


class Statistic(BaseModel):
    """A coefficient with its interval where it has one, or null with the reason why it is undefined."""

    value: float | None
    lower: float | None = None
    upper: float | None = None
    reason: str | None = None


class LimitOut(BaseModel):
    """Up to where a share is acceptable and marginal; beyond it is unacceptable."""

    criterion: Criterion
    acceptable: float
    marginal: float
    is_high_good: bool


class Speed(BaseModel):
    """Milliseconds per blind answer, of the `n` answers that carry a time."""

    n: int
    p10_ms: float | None
    median_ms: float | None
    p90_ms: float | None


class DetectionOut(BaseModel):
    """d' (how well defects are told from good items) and c (above 0: slow to call a defect)."""

    d_prime: float
    criterion: float


class JudgeFigures(BaseModel):
    """A judge, or a team counted judge by judge, against the standard, against their own repeats, and their speed."""

    n_answers: int
    n_subjects: int
    verdict: Verdict | None
    effectiveness: JudgedShare
    miss: JudgedShare
    false_alarm: JudgedShare
    kappa: Statistic
    detection: DetectionOut | None
    consistency: Share
    speed: Speed


class JudgeRow(JudgeFigures):
    """One judge. `judge` is null and `name` a letter where the reader may not know who it is."""

    judge: str | None
    name: str
    is_me: bool


class Between(BaseModel):
    """How far people agree with one another on everyday items, or on gold items.

    `agreement`: subjects on which everybody said the same. `right`: subjects on which everybody said the standard.
    """

    items: Literal["everyday", "gold"]
    n_subjects: int
    n_judges: int
    agreement: Share
    right: Share
    alpha: Statistic


class CaptureOut(BaseModel):
    """Defects that the two judges who shared the most items found, and an estimate of all there are (Chapman); its
    bounds are null where one found everything that the other found."""

    n_first: int
    n_second: int
    n_both: int
    n_shared: int
    n_estimated: float
    lower: float | None
    upper: float | None
    n_missed: float


class Counted(BaseModel):
    """What was read for an answer, and what was not.

    `n_left_out` older answers lie beyond the limit of one question. `n_unusable` were about items picked by hand.
    `n_repeated` times somebody answered a subject again without being asked to; the newest answer counts, and
    `n_repeated_differing` of them had been different.
    """

    n_answers: int
    n_judges: int
    n_left_out: int
    n_unusable: int
    n_unsure: int
    n_assisted: int
    n_repeated: int
    n_repeated_differing: int


class AttributeAgreement(BaseModel):
    """Attribute agreement of a model's people over a window."""

    model: str
    start: datetime
    end: datetime
    standard: Standard
    visibility: Visibility
    limits: list[LimitOut]
    counted: Counted
    n_with_standard: int
    team: JudgeFigures | None
    team_reason: str | None
    judges: list[JudgeRow]
    between: list[Between]
    capture: CaptureOut | None


class AssistanceOut(BaseModel):
    """What seeing the model's answer did to people's own: how often a right one was given up, a wrong one put right."""

    n: int
    first: Share
    final: Share
    bias: Share
    benefit: Share


class InspectorPage(BaseModel):
    """One inspector: figures, and the confusion matrix with the standard as rows and their answers as columns.

    `assisted` holds answers given with the machine's in sight; they enter nothing else here.
    """

    model: str
    start: datetime
    end: datetime
    standard: Standard
    counted: Counted
    figures: JudgeRow
    limits: list[LimitOut]
    labels: list[str]
    matrix: list[list[int]]
    assisted: Share
    assistance: AssistanceOut


class Vote(BaseModel):
    label: str
    n: int


class ConsensusItem(BaseModel):
    """A subject: `majority` holds all leading labels, more than one in a tie; `likeliest` is Dawid and Skene's."""

    subject_id: str
    artifact: str | None
    votes: list[Vote]
    majority: list[str]
    likeliest: str | None
    probability: float | None
    truth: str | None


class ConsensusMethod(BaseModel):
    """How often a way to decide was right where the standard is known; `n_undecided` subjects it leaves open."""

    method: Literal["majority", "majority_first_label", "dawid_skene"]
    accuracy: Share
    n_undecided: int


class Fit(BaseModel):
    """How Dawid and Skene's model was fitted, with its pseudo-counts, or the reason why it was not."""

    n_iterations: int
    is_converged: bool
    right_prior: float
    wrong_prior: float
    label_prior: float
    reason: str | None


class Consensus(BaseModel):
    """The plain majority beside Dawid and Skene; send `next_cursor` back as `after` for the following items."""

    model: str
    start: datetime
    end: datetime
    standard: Standard
    counted: Counted
    n_subjects: int
    n_ties: int
    n_different: int
    methods: list[ConsensusMethod]
    fit: Fit
    items: list[ConsensusItem]
    next_cursor: str | None


class CalibrationExample(BaseModel):
    """A subject that people gave both labels; `truth` is the label in force."""

    subject_id: str
    artifact: str | None
    truth: str | None
    votes: list[Vote]


class CalibrationPair(BaseModel):
    """Two labels that people mix up: `n_both` subjects were given both, of `n_either` that were given one of them.

    `are_kinds_apart`: one is a defect and the other is not, so mixing them up lets defects pass or stops good items.
    """

    a: str
    b: str
    are_kinds_apart: bool
    n_both: int
    n_either: int
    share: float
    examples_a: list[CalibrationExample]
    examples_b: list[CalibrationExample]
    examples_open: list[CalibrationExample]


class CalibrationSet(BaseModel):
    """The most confused pairs of labels; `n_pairs` were mixed up at all. `are_examples_shown` says whether the reader
    may see items."""

    model: str
    start: datetime
    end: datetime
    counted: Counted
    n_subjects: int
    n_pairs: int
    are_examples_shown: bool
    pairs: list[CalibrationPair]

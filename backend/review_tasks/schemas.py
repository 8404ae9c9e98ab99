"""Shapes of the review queue. A claimed task never carries the machine's answer, its score or its stratum."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from backend.shapes import Input, Output
from review.rules.skips import SkipReason

Mode = Literal["blind", "assist", "reveal", "adjudicate"]
Reason = Literal[
    "disagreement",
    "low_confidence",
    "null_output",
    "drifted_bin",
    "flagged",
    "alert",
    "random_audit",
    "gold",
    "repeat",
    "recall",
    "injected",
    "pending",
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
#: A class, or a transcript, or a number as text.
AnswerText = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]


class ClaimBody(Input):
    """Ask for the next items; `modes` defaults to everything but adjudication, `task_ids` narrows to these items."""

    model: Name
    n: int = Field(1, ge=1, le=10)
    modes: list[Mode] = Field(["blind", "assist", "reveal"], min_length=1)
    task_ids: list[Name] = Field(default_factory=list, max_length=10)


class Box(Output):
    """A place in a picture, in its pixels."""

    x: float
    y: float
    width: float
    height: float
    label: str | None = None


class Item(Output):
    """What the bench shows: the artifact and its golden sample (SHA-256), or inputs, or text. `boxes`: places that the
    inputs name as worth a look, under "boxes" or "candidate_boxes". `n_unread_boxes` of them are no boxes, or too many.
    """

    artifact: str | None = None
    golden: str | None = None
    width: int | None = None
    height: int | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    text: str | None = None
    boxes: list[Box] = Field(default_factory=list)
    n_unread_boxes: int = 0


class AnonymousOpinion(Output):
    """One opinion under dispute, without its author."""

    name: str
    label: str | None
    verb: str = "label"
    comment: str | None = None


class ClaimedTask(Output):
    """An item leased to a person. `reason` and `opinions` are for adjudication only."""

    id: str
    lease_token: str
    lease_until: datetime | None
    model: str
    subject_id: str
    mode: Mode
    item: Item
    labels: list[dict[str, Any]]
    reason: str | None = None
    opinions: list[AnonymousOpinion] | None = None
    previous_label: str | None = None


class HeartbeatBody(Input):
    lease_token: Name


class Lease(Output):
    lease_until: datetime


class ReleaseItem(Input):
    id: Name
    lease_token: Name


class ReleaseBody(Input):
    leases: list[ReleaseItem] = Field(max_length=100)


class Released(Output):
    released: list[str]


class DecideBody(Input):
    """An answer. `idempotency_key` names this one press of a key: sent again, it answers as the first time.

    `alike`: blind items with the very same inputs that get the same answer with it, at most this many. `revealed_ms`:
    how long after the item came on the machine's answer was shown. `chosen`: the hypothesis taken as the answer.
    `skip_reason` goes with the verb skip alone.
    """

    lease_token: Name
    label: AnswerText | None = None
    verb: Literal["label", "unsure", "skip"] = "label"
    skip_reason: SkipReason | None = None
    duration_ms: int | None = Field(None, ge=0, le=86_400_000)
    comment: Annotated[str, StringConstraints(max_length=4_000)] | None = None
    is_flagged: bool = False
    boxes: list[dict[str, float | int | str]] = Field(default_factory=list, max_length=200)
    idempotency_key: Annotated[str, StringConstraints(min_length=1, max_length=120)] | None = None
    alike: int = Field(0, ge=0, le=50)
    revealed_ms: int | None = Field(None, ge=0, le=86_400_000)
    chosen: Annotated[str, StringConstraints(pattern="^[A-Z]$")] | None = None


class HypothesisOut(Output):
    """What one or several versions said, without their names; `wer` against the person's own transcript."""

    name: str
    text: str
    wer: float | None = None


class Reveal(Output):
    """The machine's answer, shown after the person's own where the mode allows it.

    Several sounds or texts that were written down are `hypotheses` A, B, ... in random order: then whose they are is
    not told, and version, prediction, score and agrees stay empty. `boxes`: where the answer says what is.
    """

    version: str | None = None
    prediction: str | None = None
    score: float | None = None
    agrees: bool | None = None
    hypotheses: list[HypothesisOut] = Field(default_factory=list)
    boxes: list[Box] = Field(default_factory=list)


class LookBody(Input):
    """`after_ms`: how long the item had been on the screen when its person asked for the machine's answer."""

    after_ms: int | None = Field(None, ge=0, le=86_400_000)


class Decided(Output):
    """What became of an answer.

    counted, late (the lease had run out, counted all the same), corrected (replaces the person's earlier answer),
    revealed (a second answer after the reveal, kept beside the first), or extra (the item was closed or in somebody
    else's hands: kept as one more opinion, changes nothing). `alike_ids`: the tasks that were answered with it.
    """

    decision_id: str
    outcome: Literal["counted", "late", "corrected", "revealed", "extra"]
    task_state: str
    is_repeated: bool = False
    message: str | None = None
    reveal: Reveal | None = None
    alike_ids: list[str] = Field(default_factory=list)


class UndoBody(Input):
    """`answer` names the answer to take back by its idempotency key (sent again, it answers as the first time);
    without it the caller's newest is taken back."""

    model: Name | None = None
    answer: Annotated[str, StringConstraints(min_length=1, max_length=120)] | None = None


class Progress(Output):
    """A person's day and the queue; `open` and `to_adjudicate` are at most a second old. `n_agreed` of `n_settled` own
    first answers of 30 days are the label that is in force by now, a minute old at most: for their person's eyes."""

    done_today: int
    mine: int
    open: int
    to_adjudicate: int
    n_agreed: int = 0
    n_settled: int = 0


class FieldContext(Output):
    """One input of an item against what the model has seen. `state`: inside, rare (beyond 1 or 99 % of the reference,
    or a category below 1 %), outside (beyond all of it, or beyond what the model declares), missing or unknown.

    The numbers are quantiles in the input's own unit (0, 1, 25, 50, 75, 99, 100 %); `share` is how much of the
    reference had this category.
    """

    name: str
    kind: Literal["number", "category", "other"]
    value: Any = None
    state: Literal["inside", "rare", "outside", "missing", "unknown"]
    low: float | None = None
    rare_low: float | None = None
    quarter: float | None = None
    median: float | None = None
    three_quarters: float | None = None
    rare_high: float | None = None
    high: float | None = None
    share: float | None = None


class Neighbour(Output):
    """A labelled row like this one. `distance` is Gower's: 0 the same, 1 as different as can be."""

    subject_id: str
    label: str
    distance: float
    inputs: dict[str, Any]


class Segment(Output):
    """Where somebody speaks, in seconds from the beginning."""

    start_s: float
    end_s: float


class Span(Output):
    """Letters [start, end) of a text that the inputs mark."""

    start: int
    end: int
    label: str | None = None


class ItemContext(Output):
    """What helps to judge an item, without what the machine said about it. `source` names where ranges come from: the
    model's drift reference, else the newest events. `alike`: how many more open items have the very same inputs."""

    source: Literal["reference", "history", "none"] = "none"
    source_name: str | None = None
    n_rows: int = 0
    fields: list[FieldContext] = Field(default_factory=list)
    neighbours: list[Neighbour] = Field(default_factory=list)
    n_labelled: int = 0
    alike: int = 0
    segments: list[Segment] = Field(default_factory=list)
    spans: list[Span] = Field(default_factory=list)


class SubjectFilter(Input):
    """Known subjects by their segments."""

    segments: dict[str, str] = Field(default_factory=dict, max_length=10)
    limit: int = Field(100, ge=1, le=1_000)


class OpenBody(Input):
    """Queue subjects for people, by id or by filter. `pi`: with what probability each had been drawn; 0 = by hand."""

    model: Name
    subject_ids: list[Name] = Field(default_factory=list, max_length=1_000)
    where: SubjectFilter | None = None
    mode: Literal["blind", "assist", "reveal"] = "blind"
    reason: Reason = "flagged"
    stratum: Annotated[str, StringConstraints(max_length=100)] = ""
    policy_id: Annotated[str, StringConstraints(max_length=36)] = ""
    n_wanted: int = Field(1, ge=1, le=10)
    pi: float = Field(0.0, ge=0, le=1)
    seed: int = Field(0, ge=0, le=2**31 - 1)


class Opened(Output):
    """Ids of the new tasks; subjects queued already and subjects never heard of are listed, not queued."""

    opened: list[str]
    n_queued_already: int
    unknown: list[str]


class ReviewTaskOut(Output):
    """A task as managers see it."""

    id: str
    subject_id: str
    event_id: str | None
    reason: str
    stratum: str
    mode: str
    priority: int
    pi: float | None
    policy_id: str
    seed: int | None
    state: str
    n_wanted: int
    n_decided: int
    item: dict[str, Any]
    answers: list[dict[str, Any]]
    segments: dict[str, str]
    leased_to: str | None
    lease_until: datetime | None
    happened_at: datetime
    created_at: datetime
    closed_at: datetime | None

"""The review queue's decisions: order of items, what becomes of an answer, how far back undo goes. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from review.rules.sampling import unit

#: The item of a request that waits for a person's answer.
PENDING = "pending"

#: Reasons in the order of how soon people should see them: a larger weight tends to come first, none starves.
WEIGHTS: dict[str, float] = {
    PENDING: 50.0,
    "recall": 12.0,
    "alert": 8.0,
    "flagged": 6.0,
    "disagreement": 4.0,
    "low_confidence": 3.0,
    "null_output": 2.0,
    "drifted_bin": 2.0,
    "random_audit": 2.0,
    "gold": 2.0,
    "repeat": 2.0,
    "injected": 2.0,
}

#: Kinds of items that people judge by a file: without one there is nothing to ask about.
FILE_KINDS = frozenset({"image", "audio"})

#: An undone decision carries this in `superseded_by` until its author answers the item again.
UNDONE = "undone"

#: How many of a person's own latest decisions can be taken back.
UNDO_DEPTH = 10

#: This many people skipping an item takes it out of the queue.
SKIPS_TO_CLOSE = 2

#: Planted to measure people: labels from these tasks never count as evidence about the model.
NOT_EVIDENCE = frozenset({"gold", "repeat", "injected"})

Receipt = Literal["counted", "late", "extra"]


def is_too_low(n_checks: int, n_agreed: int, limit: float, min_checks: int) -> bool:
    """Whether a person agreed on known items less often than declared, seen often enough to say so.

    >>> is_too_low(20, 15, 0.8, 20), is_too_low(20, 16, 0.8, 20), is_too_low(19, 0, 0.8, 20)
    (True, False, False)
    """
    return n_checks >= min_checks and n_agreed < limit * n_checks


def priority_of(reason: str, subject_id: str, seed: int) -> int:
    """The place of an item in the queue (small = soon): a weighted random order that a seed fixes.

    Exponential races (Efraimidis and Spirakis 2006): -ln(u) / weight, in thousandths.

    >>> priority_of("alert", "board-1", 7) == priority_of("alert", "board-1", 7)
    True
    """
    draw = 1.0 - unit(seed, f"order:{subject_id}")
    return min(int(-1000.0 * math.log(draw) / WEIGHTS.get(reason, 1.0)), 1_000_000)


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds a task at this moment."""

    state: str
    token: str | None
    holder: str | None
    until: datetime | None


def receive(lease: Lease, *, token: str, person: str, now: datetime) -> Receipt:
    """What becomes of an answer that arrives now. It is never thrown away.

    counted: the holder's own answer. late: its lease ran out, but nobody else holds the item. extra: the item is
    closed or in somebody else's hands, so the answer is kept as one more opinion and changes nothing.

    >>> from datetime import UTC
    >>> receive(Lease("done", None, None, None), token="t", person="an", now=datetime.now(UTC))
    'extra'
    """
    if lease.state != "open":
        return "extra"
    is_live = lease.until is not None and lease.until > now
    if is_live and lease.holder == person:
        return "counted"
    if is_live:
        return "extra"
    return "late"

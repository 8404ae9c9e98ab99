"""What a review policy would have sent to people: the real draws, with their seed, over logged answers. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from review.rules.budgets import BudgetBook, hour_of
from review.rules.sampling import Answer, Draw, ReviewPolicy, chance, draw, planted_kind, strata_of, unit


@dataclass(frozen=True, slots=True)
class Logged:
    """One logged answer about a subject."""

    subject_id: str
    happened_at: datetime
    answer: Answer


@dataclass(slots=True)
class Replayed:
    """Items that people would have got: by reason, by UTC day, with what comes along.

    `n_opinions`: answers asked for the items; `planted`: gold, repeats and injected items that come along, by kind;
    `least_pi`: the smallest inclusion probability of any subject, None without subjects.
    """

    n_subjects: int = 0
    n_items: int = 0
    n_opinions: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)
    by_day: Counter[date] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)
    least_pi: float | None = None

    @property
    def n_answers(self) -> int:
        """Answers that people would have given."""
        return self.n_opinions + self.planted.total()


def replay(policy: ReviewPolicy, events: Iterable[Logged], *, every: int = 1) -> Replayed:
    """Draw as triage does, answer by answer in the order of time.

    With `every` the events are those of one subject in so many, and budgets are cut accordingly; counts are of the
    events given. A subject is sent once, when the first of its answers is picked, for the reason of the likeliest.
    """
    found = Replayed()
    if not policy.is_enabled:
        return found
    book = BudgetBook({name: budget / every for name, budget in policy.budgets.items()})
    chances: dict[str, float] = {}
    lots: dict[str, float] = {}
    sent: dict[str, Draw] = {}
    for event in events:
        subject = event.subject_id
        strata = strata_of(policy, event.answer)
        hourly = _rates(policy, book, event.happened_at, strata) if policy.budgets else {}
        pi = chance(policy, strata, hourly)
        if pi > chances.get(subject, 0.0):
            chances[subject] = pi
            lots.setdefault(subject, unit(policy.seed, subject))
        if lots[subject] >= pi:
            continue
        before = sent.get(subject)
        if before is None or pi > before.pi:
            sent[subject] = draw(policy, subject, event.answer, hourly)
        if before is None:
            _send(found, policy, event, sent[subject])
    found.by_reason.update(drawn.reason for drawn in sent.values())
    found.n_subjects = len(chances)
    found.least_pi = min(chances.values(), default=None)
    return found


def _rates(policy: ReviewPolicy, book: BudgetBook, at: datetime, strata: list[str]) -> dict[str, float]:
    """What budgets mean in the hour of an answer, which is counted after its hour's rates are set."""
    hour = hour_of(at)
    rates = book.rates(hour)
    for name in policy.budgets:
        book.count(name, hour, int(name in strata))
    return rates


def _send(found: Replayed, policy: ReviewPolicy, event: Logged, drawn: Draw) -> None:
    found.n_items += 1
    found.n_opinions += drawn.n_wanted
    found.by_day[event.happened_at.date()] += 1
    kind = planted_kind(policy, event.subject_id)
    if kind is not None:
        found.planted[kind] += 1

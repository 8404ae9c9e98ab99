"""Shapes of review policies: what is declared, what was in force when, and what a policy would send to people."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from backend.shapes import Input, Output, Reason, Slug

Stratum = Literal["null_output", "disagreement", "low_confidence", "drifted_bin", "alert"]
Share = Annotated[float, Field(ge=0, le=1)]
#: Rates may also be given for items that a person flagged.
Rates = dict[Stratum | Literal["flagged"], Share]
Budgets = dict[Stratum, Annotated[float, Field(gt=0, le=1_000_000)]]


class PolicyFields(Input):
    """A review policy. A stratum has a rate, or a budget of items a day; every item has at least the random share
    `epsilon`. What is left out keeps its default.

    `n_wanted`: independent opinions per item, `second_opinion_share`: share of items that get one more. Planted items
    (`gold_share`, `repeat_share`, `injected_share`, per item of work) measure people. Below `min_agreement` on at
    least `min_checks` of them within `agreement_days`, a person's items go to others. `resolution_channels` are told
    of each resolved item.
    """

    epsilon: float = Field(0.02, gt=0, le=1)
    seed: int = Field(20_260_101, ge=0, lt=2**31)
    rates: Rates = {}
    budgets: Budgets = {}
    low_score: float = Field(0.6, ge=-1e9, le=1e9)
    mode: Literal["blind", "assist", "reveal"] = "blind"
    n_wanted: int = Field(1, ge=1, le=10)
    second_opinion_share: Share = 0.0
    max_age_days: float = Field(30.0, gt=0, le=3_650)
    is_enabled: bool = True
    gold_share: Share = 0.0
    repeat_share: Share = 0.0
    injected_share: Share = 0.0
    repeat_after_hours: float = Field(24.0, ge=0, le=720)
    min_agreement: Share | None = None
    agreement_days: float = Field(14.0, gt=0, le=365)
    min_checks: int = Field(20, ge=1, le=10_000)
    resolution_channels: list[Annotated[str, Field(max_length=36)]] = Field([], max_length=20)


class PolicyCreate(Input):
    """A policy to put in force from now on, and why. `based_on`: the number it was made from; somebody else's change
    since then is not overwritten."""

    model: Slug
    policy: PolicyFields
    reason: Reason
    based_on: int | None = Field(None, ge=0)


class PolicyOut(Output):
    """A declared policy; `number` 0 is what holds where none was declared. `author`: the person's name, where known."""

    number: int
    policy_id: str
    policy: dict[str, Any]
    reason: str | None
    created_by: str | None
    author: str | None
    created_at: datetime | None
    is_current: bool


class PreviewBody(Input):
    """A policy to try on the last `days` days; nothing is saved."""

    model: Slug
    policy: PolicyFields
    days: int = Field(7, ge=1, le=31)


class DayCount(Output):
    """Items of one UTC day."""

    day: date
    n: float


class Forecast(Output):
    """What a policy sends, a day on average: items by reason, answers that people must give for them (opinions and
    planted items), and the least inclusion probability of any subject (null: there was none)."""

    items_per_day: float
    answers_per_day: float
    planted_per_day: dict[str, float]
    by_reason: dict[str, float]
    by_day: list[DayCount]
    least_pi: float | None


class PeopleSpeed(Output):
    """What people did in the last seven days: answers a day, on the busiest day, how many people, and the median
    seconds that an answer took (null: nobody answered)."""

    answers_per_day: float
    busiest_day: int
    n_people: int
    median_s: float | None


class Preview(Output):
    """A policy, and the one in force, replayed over logged answers in [start, end).

    `n_events` were logged; `sample_every` 1: all were replayed; k: the answers about one subject in k, and numbers are
    scaled up. `n_known_items`: gold and injected items that may be planted.
    """

    start: datetime
    end: datetime
    n_events: int
    n_subjects: int
    sample_every: int
    proposed: Forecast
    current: Forecast
    people: PeopleSpeed
    n_known_items: dict[str, int]

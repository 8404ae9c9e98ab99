"""Which items people look at, and with what probability: the declared review policy of a model. Pure.

Every item has the same fixed number u in [0, 1) under a policy's seed, and a stratum picks it when u is below the
stratum's rate. So replays and several workers agree, and that at least one of several strata picks it, which is the
event that its rates' largest exceeds u, has exactly the largest rate as its probability.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Final

#: What makes an answer worth a look, gravest first.
STRATA: Final = ("null_output", "disagreement", "low_confidence", "drifted_bin", "alert")
#: Strata of the items that nothing makes special, and of the items that a person flagged.
REST, FLAGGED = "rest", "flagged"
_DEFAULT_RATES = {
    "null_output": 1.0,
    "disagreement": 1.0,
    "low_confidence": 1.0,
    "drifted_bin": 0.0,
    "alert": 0.0,
    FLAGGED: 1.0,
}
#: Planted items are at most this share of what people get: the rest is work.
MAX_PLANTED = 0.5
_NOTHING: Mapping[str, float] = {}
#: Fields whose whole numbers may be given without a point; the id must not depend on that.
_FLOATS = frozenset(
    {
        "epsilon", "low_score", "second_opinion_share", "max_age_days", "gold_share", "repeat_share", "injected_share",
        "repeat_after_hours", "min_agreement", "agreement_days",
    }
)  # fmt: skip


def unit(seed: int, key: str) -> float:
    """A number in [0, 1) that depends on the seed and the key alone.

    >>> 0 <= unit(1, "a") < 1 and unit(1, "a") == unit(1, "a") != unit(2, "a")
    True
    """
    digest = hashlib.blake2b(f"{seed}:{key}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2.0**53


@dataclass(frozen=True)
class ReviewPolicy:
    """Rates per stratum, and the random share `epsilon` that everything gets.

    `rates`: probability per stratum. `budgets`: items a day that a stratum may send instead; the rate that this means
    is set hour by hour before its items are known (review.rules.budgets). `low_score`: answers with a score below it
    are "low_confidence". `mode`: of the tasks opened. `n_wanted`: blind opinions per item; `second_opinion_share`:
    share of items that get one more. `max_age_days`: older answers open no task. `is_enabled` false: nothing is opened.

    `gold_share`, `repeat_share`, `injected_share`: planted items per item of work, that measure people. Hidden repeats
    come at least `repeat_after_hours` after the first answer. A person whose agreement on planted items of the last
    `agreement_days` days, with at least `min_checks` of them, is below `min_agreement` has their items given to others
    (null: never). `resolution_channels`: channels that are told of each resolved item.
    """

    epsilon: float = 0.02
    seed: int = 20_260_101
    rates: Mapping[str, float] = field(default_factory=lambda: dict(_DEFAULT_RATES))
    budgets: Mapping[str, float] = field(default_factory=dict)
    low_score: float = 0.6
    mode: str = "blind"
    n_wanted: int = 1
    second_opinion_share: float = 0.0
    max_age_days: float = 30.0
    is_enabled: bool = True
    gold_share: float = 0.0
    repeat_share: float = 0.0
    injected_share: float = 0.0
    repeat_after_hours: float = 24.0
    min_agreement: float | None = None
    agreement_days: float = 14.0
    min_checks: int = 20
    resolution_channels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.epsilon <= 1:
            raise ValueError("epsilon must be above 0 and at most 1: every item needs a chance to be looked at")
        unknown = ({*self.rates} - {*STRATA, FLAGGED}) | ({*self.budgets} - {*STRATA})
        if unknown:
            raise ValueError(f"there is no stratum {', '.join(sorted(unknown))}")
        if {*self.rates} & {*self.budgets}:
            raise ValueError("a stratum has a rate or a budget, not both")
        shares = (self.second_opinion_share, self.gold_share, self.repeat_share, self.injected_share)
        if any(not 0 <= rate <= 1 for rate in (*self.rates.values(), *shares, self.min_agreement or 0.0)):
            raise ValueError("rates and shares are probabilities: between 0 and 1")
        if any(not 0 < budget <= 1e6 for budget in self.budgets.values()):
            raise ValueError("a budget is above 0 and at most a million items a day")
        if self.planted_share > MAX_PLANTED:
            raise ValueError("gold, repeats and injected defects together are at most half as many as the work")
        if self.mode not in ("blind", "assist", "reveal"):
            raise ValueError("mode must be blind, assist or reveal")
        if not 1 <= self.n_wanted <= 10:
            raise ValueError("n_wanted must be between 1 and 10")
        if self.min_checks < 1 or min(self.agreement_days, self.max_age_days) <= 0 or self.repeat_after_hours < 0:
            raise ValueError("days, hours and checks are above 0")

    @classmethod
    def declared(cls, settings: Mapping[str, Any]) -> ReviewPolicy:
        """The policy in a model's settings, under "review_policy"; what is not declared keeps its default."""
        return cls.from_fields(settings.get("review_policy") or {})

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> ReviewPolicy:
        """From plain fields; ValueError for unknown ones and for values that make no sense."""
        given = dict(fields)
        unknown = set(given) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"unknown review policy fields: {', '.join(sorted(unknown))}")
        try:
            given |= {name: float(value) for name, value in given.items() if type(value) is int and name in _FLOATS}
            budgets = {name: float(budget) for name, budget in (given.get("budgets") or {}).items()}
            rates = {name: float(rate) for name, rate in (given.get("rates") or {}).items()}
            if REST in rates:  # an older way to declare the random share
                given["epsilon"] = max(rates.pop(REST), given.get("epsilon", cls.epsilon))
            kept = {name: rate for name, rate in _DEFAULT_RATES.items() if name not in budgets}
            given |= {"rates": {**kept, **rates}, "budgets": budgets}
            given["resolution_channels"] = tuple(given.get("resolution_channels") or ())
            return cls(**given)
        except (TypeError, AttributeError) as error:
            raise ValueError("a field of the review policy has the wrong type") from error

    def as_fields(self) -> dict[str, Any]:
        """Plain JSON values, from which `from_fields` makes the same policy."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        channels = list(self.resolution_channels)
        return fields | {"rates": dict(self.rates), "budgets": dict(self.budgets), "resolution_channels": channels}

    @cached_property
    def id(self) -> str:
        """A name that changes with any field."""
        text = json.dumps(asdict(self), sort_keys=True, default=dict)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @property
    def planted_share(self) -> float:
        """Planted items of all kinds per item of work."""
        return self.gold_share + self.repeat_share + self.injected_share

    @cached_property
    def looks_at(self) -> frozenset[str]:
        """Strata that can pick more than the random share does; of the others nothing need be known."""
        return frozenset({name for name, rate in self.rates.items() if rate > self.epsilon} | {*self.budgets})

    def rate(self, stratum: str, hourly: Mapping[str, float] = _NOTHING) -> float:
        """The probability with which an item of a stratum is picked; never below epsilon. `hourly`: of budgets."""
        return max(self.epsilon, self.rates.get(stratum, 0.0), hourly.get(stratum, 0.0))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the policy looks at in one logged answer.

    `is_in_drifted_bin`: an input lies where a feature's share has grown; `is_in_alert`: an alert was open.
    """

    is_null: bool
    disagrees: bool
    score: float | None
    is_in_drifted_bin: bool = False
    is_in_alert: bool = False


@dataclass(frozen=True, slots=True)
class Draw:
    """The policy's verdict on one item. `pi` is its inclusion probability whether it was picked or not."""

    is_picked: bool
    stratum: str
    reason: str
    pi: float
    n_wanted: int


def strata_of(policy: ReviewPolicy, answer: Answer) -> list[str]:
    """All strata of an answer, gravest first; empty: the rest."""
    score = answer.score
    is_sure = score is None or score >= policy.low_score
    if is_sure and not (answer.is_null or answer.disagrees or answer.is_in_drifted_bin or answer.is_in_alert):
        return []
    is_in = (
        answer.is_null,
        answer.disagrees,
        not is_sure,
        answer.is_in_drifted_bin,
        answer.is_in_alert,
    )
    return [name for name, here in zip(STRATA, is_in, strict=True) if here]


def stratum_of(policy: ReviewPolicy, answer: Answer) -> str:
    """The gravest stratum of an answer, or rest."""
    return next(iter(strata_of(policy, answer)), REST)


def chance(policy: ReviewPolicy, strata: list[str], hourly: Mapping[str, float] = _NOTHING) -> float:
    """The probability that any of these strata, or the random share, picks an item."""
    if not strata:
        return policy.epsilon
    return max([policy.epsilon, *(policy.rate(name, hourly) for name in strata)])


def draw(policy: ReviewPolicy, subject_id: str, answer: Answer, hourly: Mapping[str, float] = _NOTHING) -> Draw:
    """Pick an item or not.

    The stratum told is the gravest of those that pick it, and of an item that is not picked the gravest it is in.

    >>> draw(ReviewPolicy(), "s", Answer(is_null=True, disagrees=False, score=None)).pi
    1.0
    """
    strata = strata_of(policy, answer)
    pi = chance(policy, strata, hourly)
    u = unit(policy.seed, subject_id)
    picking = [name for name in strata if u < policy.rate(name, hourly)]
    stratum = (picking or strata or [REST])[0]
    extra = policy.second_opinion_share > 0 and unit(policy.seed, f"overlap:{subject_id}") < policy.second_opinion_share
    return Draw(
        is_picked=u < pi,
        stratum=stratum,
        reason="random_audit" if stratum == REST else stratum,
        pi=pi,
        n_wanted=policy.n_wanted + int(extra),
    )


def join_chances(chances: Mapping[str, float]) -> float:
    """The probability that an item is picked under at least one seed, from its largest chance under each.

    Draws under different seeds are independent; under one seed they are nested, so the largest counts.

    >>> round(join_chances({"1": 0.5, "2": 0.5}), 3)
    0.75
    """
    if len(chances) == 1:
        return next(iter(chances.values()))
    return 1.0 - math.prod(1.0 - one for one in chances.values())


def planted_kind(policy: ReviewPolicy, subject_id: str) -> str | None:
    """Which kind of planted item comes along with an item of work: gold, repeat, injected, or none."""
    u = unit(policy.seed, f"planted:{subject_id}")
    for kind in ("gold", "repeat", "injected"):
        share = float(getattr(policy, f"{kind}_share"))
        if u < share:
            return kind
        u -= share
    return None

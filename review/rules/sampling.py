"""Which items people look at, and with what probability: the declared review policy of a model. Pure.

Every item has the same fixed number u in [0, 1) under a policy's seed, and is picked when u is below the rate of
its stratum. So replays and several workers agree, and the inclusion probability of a subject is the largest rate
among its answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

_DEFAULT_RATES = {"null_output": 1.0, "disagreement": 1.0, "low_confidence": 1.0}


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

    `low_score`: answers with a score below it are "low_confidence". `mode`: of the tasks opened. `n_wanted`: blind
    opinions per item; `second_opinion_share`: share of items that get one more. `max_age_days`: older answers open
    no task. `is_enabled` false: nothing is opened.
    """

    epsilon: float = 0.02
    seed: int = 20_260_101
    rates: Mapping[str, float] = field(default_factory=lambda: dict(_DEFAULT_RATES))
    low_score: float = 0.6
    mode: str = "blind"
    n_wanted: int = 1
    second_opinion_share: float = 0.0
    max_age_days: float = 30.0
    is_enabled: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.epsilon <= 1:
            raise ValueError("epsilon must be above 0 and at most 1: every item needs a chance to be looked at")
        if any(not 0 <= rate <= 1 for rate in self.rates.values()):
            raise ValueError("rates are probabilities: between 0 and 1")
        if self.mode not in ("blind", "assist", "reveal"):
            raise ValueError("mode must be blind, assist or reveal")
        if not 1 <= self.n_wanted <= 10:
            raise ValueError("n_wanted must be between 1 and 10")

    @classmethod
    def declared(cls, settings: Mapping[str, Any]) -> ReviewPolicy:
        """The policy in a model's settings, under "review_policy"; what is not declared keeps its default."""
        given = dict(settings.get("review_policy") or {})
        unknown = set(given) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"unknown review policy fields: {', '.join(sorted(unknown))}")
        if "rates" in given:
            given["rates"] = {**_DEFAULT_RATES, **given["rates"]}
        return cls(**given)

    @cached_property
    def id(self) -> str:
        """A name that changes with any field."""
        text = json.dumps(asdict(self), sort_keys=True, default=dict)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def rate(self, stratum: str) -> float:
        """The probability with which an item of a stratum is picked; never below epsilon."""
        return max(self.epsilon, self.rates.get(stratum, 0.0))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the policy looks at in one logged answer."""

    is_null: bool
    disagrees: bool
    score: float | None


@dataclass(frozen=True, slots=True)
class Draw:
    """The policy's verdict on one item. `pi` is its inclusion probability whether it was picked or not."""

    is_picked: bool
    stratum: str
    reason: str
    pi: float
    n_wanted: int


def stratum_of(policy: ReviewPolicy, answer: Answer) -> str:
    """The stratum of an answer: null_output, disagreement, low_confidence or rest."""
    if answer.is_null:
        return "null_output"
    if answer.disagrees:
        return "disagreement"
    if answer.score is not None and answer.score < policy.low_score:
        return "low_confidence"
    return "rest"


def draw(policy: ReviewPolicy, subject_id: str, answer: Answer) -> Draw:
    """Pick an item or not.

    >>> draw(ReviewPolicy(), "s", Answer(is_null=True, disagrees=False, score=None)).pi
    1.0
    """
    stratum = stratum_of(policy, answer)
    pi = policy.rate(stratum)
    extra = unit(policy.seed, f"overlap:{subject_id}") < policy.second_opinion_share
    return Draw(
        is_picked=unit(policy.seed, subject_id) < pi,
        stratum=stratum,
        reason="random_audit" if stratum == "rest" else stratum,
        pi=pi,
        n_wanted=policy.n_wanted + int(extra),
    )

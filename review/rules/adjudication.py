"""What a subject's opinions amount to: a consensus, a dispute for a third person, or nothing yet. Pure."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Source = Literal["person", "predictor", "champion"]


@dataclass(frozen=True, slots=True)
class Opinion:
    """One judge's answer about a subject. `verb` is label or unsure; `decision_id` is empty for the champion."""

    judge: str
    source: Source
    label: str | None
    verb: str = "label"
    is_blind: bool = True
    decision_id: str = ""
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to do: write `label` as consensus, ask a third person about `opinions`, or nothing."""

    kind: Literal["consensus", "adjudicate", "nothing"]
    label: str | None = None
    opinions: tuple[Opinion, ...] = ()


NOTHING = Outcome("nothing")


def settle(opinions: Sequence[Opinion]) -> Outcome:
    """The outcome of all opinions in force about one subject.

    Two blind people who agree, with no person against them, make a consensus, whatever the champion said. People
    who differ, a person who is unsure, and a single person against the champion are disputes. A champion that gave
    no answer contradicts nobody. Outside predictors are compared elsewhere and start no dispute.

    >>> settle([Opinion("user:1", "person", "ok"), Opinion("v1", "champion", "short")]).kind
    'adjudicate'
    >>> settle([Opinion("user:1", "person", "ok"), Opinion("user:2", "person", "ok")]).label
    'ok'
    """
    people = [opinion for opinion in opinions if opinion.source == "person"]
    labels = {opinion.label for opinion in people if opinion.verb == "label"}
    blind_judges = {opinion.judge for opinion in people if opinion.is_blind and opinion.verb == "label"}
    machine = [opinion for opinion in opinions if opinion.source == "champion" and opinion.label is not None]
    if not people:
        return NOTHING
    disputed = Outcome("adjudicate", opinions=tuple(people + machine))
    if len(labels) > 1 or any(opinion.verb == "unsure" for opinion in people):
        return disputed
    if len(blind_judges) >= 2:
        return Outcome("consensus", label=next(iter(labels)), opinions=tuple(people))
    if any(opinion.label not in labels for opinion in machine):
        return disputed
    return NOTHING


def anonymise(opinions: Sequence[Opinion], seed: str) -> list[dict[str, Any]]:
    """The opinions under the names A, B, ... in an order that the seed alone fixes; whose they are stays inside.

    >>> [one["name"] for one in anonymise([Opinion("u", "person", "ok"), Opinion("v", "champion", "short")], "s")]
    ['A', 'B']
    """
    ordered = sorted(opinions, key=lambda opinion: (opinion.source, opinion.judge))
    digest = hashlib.blake2b(seed.encode(), digest_size=8).digest()
    random.Random(int.from_bytes(digest, "big")).shuffle(ordered)
    return [
        {
            "name": chr(ord("A") + position),
            "label": opinion.label,
            "verb": opinion.verb,
            "comment": opinion.comment,
            "judge": opinion.judge,
            "decision_id": opinion.decision_id,
        }
        for position, opinion in enumerate(ordered[:26])
    ]

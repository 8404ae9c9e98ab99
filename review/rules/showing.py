"""When a person may see what the machine said about an item, and under which names. Pure; the server enforces it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from review.rules.sampling import unit

#: Modes that show the machine's answer after the person's own.
SHOWING = ("assist", "reveal")
#: Share of the items of these modes that stay blind, so that people's own skill can always be told.
BLIND_SHARE = 0.1
#: It can be lowered but not switched off.
LEAST_BLIND_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What one or several versions said, under a name that tells nothing about them."""

    name: str
    text: str
    versions: tuple[str, ...]


def blind_share(settings: Mapping[str, Any]) -> float:
    """The declared share that stays blind, under "bench" in a model's settings.

    >>> blind_share({"bench": {"blind_share": 0}})
    0.01
    """
    given = settings.get("bench")
    share = given.get("blind_share", BLIND_SHARE) if isinstance(given, Mapping) else BLIND_SHARE
    is_share = isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1
    return max(LEAST_BLIND_SHARE, float(share)) if is_share else BLIND_SHARE


def shows(mode: str, seed: int | None, subject_id: str, share: float) -> bool:
    """Whether the machine's answer is shown after the person's own. The same for every person and every time.

    Nobody can tell before answering: an item that stays blind looks like the others.
    """
    return mode in SHOWING and unit(seed or 0, f"stay-blind:{subject_id}") >= share


def hypotheses(answers: Sequence[Mapping[str, Any]], seed: str) -> list[Hypothesis]:
    """The different answers of all versions as A, B, ... in an order that depends on the seed alone.

    >>> [one.text for one in hypotheses([{"version": "v1", "prediction": "two"}], "t")]
    ['two']
    """
    said: dict[str, list[str]] = {}
    for answer in answers:
        text = answer.get("prediction")
        if isinstance(text, str) and text.strip():
            said.setdefault(text, []).append(str(answer.get("version") or ""))
    mixed = sorted(said, key=lambda text: unit(0, f"{seed}:{text}"))
    return [Hypothesis(chr(ord("A") + place), text, tuple(sorted(said[text]))) for place, text in enumerate(mixed[:26])]

"""The levels of the automation ladder: their order, which one holds for an item, and what a rollout keeps beside it.
Pure; read by serving, written by the automation slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Level = Literal["human_only", "shadow", "assist", "partial", "full"]
LEVELS: tuple[Level, ...] = ("human_only", "shadow", "assist", "partial", "full")


def above(level: str) -> Level | None:
    """The next level up, or None at the top.

    >>> above("assist"), above("full")
    ('partial', None)
    """
    place = LEVELS.index(_level(level))
    return LEVELS[place + 1] if place + 1 < len(LEVELS) else None


def beneath(level: str) -> Level | None:
    """The next level down, or None at the bottom."""
    place = LEVELS.index(_level(level))
    return LEVELS[place - 1] if place else None


def level_of(automation_level: str, automation: Mapping[str, Any] | None, segments: Mapping[str, str]) -> Level:
    """The level that holds for an item: the lowest of the model's own and of those of its segments that have one.

    `automation` is what a rollout stores beside its level; `segments` are the item's, such as {"line": "L1"}.

    >>> stored = {"segments": [{"segment": "line=L1", "level": "shadow", "acceptance": None}]}
    >>> level_of("partial", stored, {"line": "L1"}), level_of("partial", stored, {"line": "L2"})
    ('shadow', 'partial')
    """
    found = [own["level"] for own in _own(automation, segments)] or [automation_level]
    return min((_level(one) for one in found), key=LEVELS.index)


def threshold_of(automation: Mapping[str, Any] | None, segments: Mapping[str, str]) -> float | None:
    """The confidence from which an answer may be accepted at level "partial": the highest of its segments', or the
    model's. None: every answer goes to people."""
    own = _own(automation, segments)
    kept = [one.get("acceptance") for one in own] if own else [(automation or {}).get("acceptance")]
    thresholds = [one.get("threshold") if one else None for one in kept]
    known = [float(one) for one in thresholds if one is not None]
    return max(known) if known and len(known) == len(thresholds) else None


def carried(
    automation: Mapping[str, Any] | None, level: str, *, same_champion: bool, same_level: bool
) -> dict[str, Any] | None:
    """What a new rollout keeps of the one before, where it says nothing itself.

    A threshold was chosen for one champion at one level and goes with either of them. Levels of segments stay, none
    above the new level of the model after a change of the champion: what one version earned, another has not.
    """
    keeps = same_champion and same_level
    segments = []
    for one in (automation or {}).get("segments") or []:
        now = one["level"] if same_champion else min(one["level"], level, key=lambda name: LEVELS.index(_level(name)))
        segments.append({**one, "level": now, "acceptance": one.get("acceptance") if same_champion else None})
    acceptance = (automation or {}).get("acceptance") if keeps else None
    return {"acceptance": acceptance, "segments": segments} if acceptance or segments else None


def moved(
    level: str, automation: Mapping[str, Any] | None, segment: str, to: str, acceptance: Mapping[str, Any] | None
) -> tuple[str, dict[str, Any]]:
    """The level and what stands beside it after the model ('') or one of its segments moved.

    >>> moved("assist", None, "line=L1", "shadow", None)
    ('assist', {'acceptance': None, 'segments': [{'segment': 'line=L1', 'level': 'shadow', 'acceptance': None}]})
    """
    kept = dict(acceptance) if acceptance is not None and _level(to) == "partial" else None
    segments = [dict(one) for one in (automation or {}).get("segments") or []]
    if not segment:
        return _level(to), {"acceptance": kept, "segments": segments}
    rest = [one for one in segments if one["segment"] != segment]
    mine = {"segment": segment, "level": _level(to), "acceptance": kept}
    order = sorted([*rest, mine], key=lambda one: str(one["segment"]))
    return level, {"acceptance": (automation or {}).get("acceptance"), "segments": order}


def _own(automation: Mapping[str, Any] | None, segments: Mapping[str, str]) -> list[Mapping[str, Any]]:
    names = {f"{key}={value}" for key, value in segments.items()}
    return [one for one in (automation or {}).get("segments") or [] if one["segment"] in names]


def _level(name: str) -> Level:
    for level in LEVELS:
        if level == name:
            return level
    raise ValueError(f"there is no level {name!r}")

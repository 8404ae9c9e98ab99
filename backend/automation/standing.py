"""Where a ladder stood at a moment, from the rollouts until then: version, level, evidence since when. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from review.rules.levels import LEVELS, Level, level_of


class RolloutRow(Protocol):
    """What is read of a rollout."""

    @property
    def id(self) -> int: ...
    @property
    def champion(self) -> str | None: ...
    @property
    def challengers(self) -> list[dict[str, Any]]: ...
    @property
    def automation_level(self) -> str: ...
    @property
    def automation(self) -> dict[str, Any] | None: ...
    @property
    def created_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Standing:
    """`since`: when the version came into the rollout, or the level was last lowered: older evidence does not count."""

    version: str | None
    champion: str | None
    level: Level
    since: datetime | None
    rollout_id: int | None
    acceptance: dict[str, Any] | None


def stood(oldest_first: Sequence[RolloutRow], segment: str, at: datetime | None = None) -> Standing:
    """The standing of a model ('') or segment ("line=L1") at a moment, or now."""
    rows = [row for row in oldest_first if at is None or row.created_at <= at]
    if not rows:
        return Standing(None, None, "human_only", None, None, None)
    key, _, value = segment.partition("=")
    segments = {key: value} if key else {}
    levels = [level_of(row.automation_level, row.automation, segments) for row in rows]
    last, version = rows[-1], version_of(rows[-1])
    since = last.created_at
    for row in reversed(rows):
        if version is None or version not in _versions(row):
            break
        since = row.created_at
    places = [LEVELS.index(level) for level in levels]
    lowered = [rows[i].created_at for i in range(1, len(rows)) if places[i] < places[i - 1]]
    return Standing(
        version,
        last.champion,
        levels[-1],
        max([since, *lowered[-1:]]),
        last.id,
        acceptance_of(last.automation, segment),
    )


def version_of(row: RolloutRow) -> str | None:
    """The version on trial: the champion, or before there is one the first that answers in its shadow."""
    if row.champion is not None:
        return row.champion
    return next((str(one["version"]) for one in row.challengers), None)


def acceptance_of(automation: dict[str, Any] | None, segment: str) -> dict[str, Any] | None:
    """The stored threshold of a model or segment."""
    kept = automation or {}
    if segment:
        kept = next((one for one in kept.get("segments") or [] if one["segment"] == segment), {})
    found: dict[str, Any] | None = kept.get("acceptance")
    return found


def _versions(row: RolloutRow) -> set[str]:
    return {str(one["version"]) for one in row.challengers} | ({row.champion} if row.champion else set())

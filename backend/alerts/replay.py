"""A rule folded over the past: what it would have raised. Pure; used before a rule is saved and by the demo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backend.alerts.rule import WatchedRule
from backend.alerts.rules import RANK, Level, Observation, Series, SeriesState, step


@dataclass(slots=True)
class Raised:
    """One incident of the replay. `window_start` to `window_end` is the window of its worst value; `reason` is the
    drift verdict's of that window."""

    series: str
    state: Level
    opened_at: datetime
    closed_at: datetime | None
    peak: float | None
    reference: float | None
    n: float
    score: float
    window_start: datetime
    window_end: datetime
    n_messages: int = 0
    reason: str | None = None


def replay(rule: WatchedRule, found: Series, ends: Sequence[datetime]) -> list[Raised]:
    """Every incident that the rule would have opened, oldest first."""
    raised: list[Raised] = []
    for name, observations in found.items():
        raised += _one(rule, name, observations, ends)
    return sorted(raised, key=lambda one: (one.opened_at, one.series))


def _one(rule: WatchedRule, name: str, observations: Sequence[Observation], ends: Sequence[datetime]) -> list[Raised]:
    state, raised = SeriesState(), list[Raised]()
    width = timedelta(seconds=rule.window_s)
    for seen, end in zip(observations, ends, strict=True):
        outcome = step(rule.policy, state, seen, end)
        state = outcome.state
        if "opened" in outcome.changes:
            level = state.open_level or "alert"
            raised.append(
                Raised(
                    name, level, end, None, seen.value, seen.reference, seen.n, seen.score, end - width, end,
                    reason=seen.reason,
                )
            )  # fmt: skip
        if not raised:
            continue
        incident = raised[-1]
        incident.n_messages += len(outcome.messages)
        if "closed" in outcome.changes:
            incident.closed_at = end
        elif incident.closed_at is None:
            _worsen(incident, state, seen, end, width)
    return raised


def _worsen(incident: Raised, state: SeriesState, seen: Observation, end: datetime, width: timedelta) -> None:
    """Remember the worst level and the worst value with its window."""
    if state.open_level is not None and RANK[state.open_level] > RANK[incident.state]:
        incident.state = state.open_level
    if seen.level is not None and seen.score > incident.score:
        incident.peak, incident.reference, incident.n, incident.score = seen.value, seen.reference, seen.n, seen.score
        incident.window_start, incident.window_end, incident.reason = end - width, end, seen.reason

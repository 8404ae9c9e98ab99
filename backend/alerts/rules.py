"""The state machine of an alert: levels seen over time become states, incidents and messages. Pure.

A level must hold for `hold_s` before the series fires, and must be gone for `clear_s` before the incident ends. What
is told follows from what was told before, so a message that a silence held back is told when the silence is over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

Level = Literal["ok", "warning", "alert"]
State = Literal["ok", "warning", "alert", "no_data"]
NoData = Literal["keep", "ok", "alert", "no_data"]
Change = Literal["opened", "worsened", "eased", "closed"]
Message = Literal["opened", "worsened", "reminded", "closed"]

RANK: dict[str, int] = {"ok": 0, "no_data": 0, "warning": 1, "alert": 2}
#: The fields of SeriesState that are times.
_TIMES = ("worse_since", "alert_since", "better_since", "told_at", "evaluated_at")


@dataclass(frozen=True, slots=True)
class Policy:
    """How a rule turns levels into states; all times in seconds. `renotify_s` 0: told once."""

    hold_s: int = 0
    clear_s: int = 0
    renotify_s: int = 0
    no_data: NoData = "no_data"


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at a series found. `level` None: not enough data. `score` orders values by how bad they are."""

    level: Level | None
    value: float | None = None
    n: float = 0.0
    reference: float | None = None
    score: float = 0.0
    reason: str | None = None


#: What was seen, oldest first, by the name of the series.
Series = dict[str, list[Observation]]


@dataclass(frozen=True, slots=True)
class SeriesState:
    """Where a series stands. `open_level` is the level of its open incident; `told` the worst level told of it.

    `number` counts the series' incidents; `worse_since` and `alert_since` say since when at least a warning, and an
    alert, was seen without a break; `better_since` since when less than the open level was.
    """

    state: State = "ok"
    open_level: Level | None = None
    number: int = 0
    worse_since: datetime | None = None
    alert_since: datetime | None = None
    better_since: datetime | None = None
    told: Level | None = None
    told_at: datetime | None = None
    evaluated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state after a step, what happened to the incident, and what must be told about it."""

    state: SeriesState
    changes: tuple[Change, ...] = ()
    messages: tuple[Message, ...] = ()


def step(
    policy: Policy,
    before: SeriesState,
    seen: Observation,
    now: datetime,
    *,
    is_muted: bool = False,
    is_acknowledged: bool = False,
) -> Outcome:
    """One look at a series. Looking again at a moment that was looked at already changes nothing.

    >>> from datetime import UTC
    >>> step(Policy(), SeriesState(), Observation("alert"), datetime(2026, 5, 1, tzinfo=UTC)).changes
    ('opened',)
    """
    if before.evaluated_at is not None and now <= before.evaluated_at:
        return Outcome(before)
    level = _level(policy, seen)
    if level == "ok" and before.open_level is None:  # nearly every step: a replay over 90 days takes 26,000 of them
        return Outcome(SeriesState(number=before.number, evaluated_at=now))
    state = replace(before, evaluated_at=now)
    changes: tuple[Change, ...] = ()
    if level is not None:
        state = _count_time(state, level, now)
        state, changes = _move(policy, state, level, now)
    elif policy.no_data == "no_data":
        state = replace(state, state="no_data", worse_since=None, alert_since=None, better_since=None)
    return _tell(policy, before, state, changes, now, is_muted=is_muted, is_acknowledged=is_acknowledged)


def _level(policy: Policy, seen: Observation) -> Level | None:
    if seen.level is not None:
        return seen.level
    if policy.no_data == "ok":
        return "ok"
    return "alert" if policy.no_data == "alert" else None


def _count_time(state: SeriesState, level: Level, now: datetime) -> SeriesState:
    """Since when each level was seen without a break."""
    is_better = state.open_level is not None and RANK[level] < RANK[state.open_level]
    return replace(
        state,
        worse_since=(state.worse_since or now) if RANK[level] >= 1 else None,
        alert_since=(state.alert_since or now) if level == "alert" else None,
        better_since=(state.better_since or now) if is_better else None,
    )


def _move(policy: Policy, state: SeriesState, level: Level, now: datetime) -> tuple[SeriesState, tuple[Change, ...]]:
    """Open, worsen, ease or close the incident."""
    reached = _reached(policy, state, now)
    if state.open_level is None:
        if reached == "ok":
            return replace(state, state="ok"), ()
        opened = replace(state, state=reached, open_level=reached, number=state.number + 1, told=None, told_at=None)
        return opened, ("opened",)
    if RANK[reached] > RANK[state.open_level]:
        return replace(state, state=reached, open_level=reached), ("worsened",)
    if not _has_lasted(state.better_since, policy.clear_s, now):
        return replace(state, state=state.open_level), ()
    if level == "ok":
        return replace(state, state="ok", open_level=None, better_since=None), ("closed",)
    return replace(state, state=level, open_level=level, better_since=None), ("eased",)


def _reached(policy: Policy, state: SeriesState, now: datetime) -> Level:
    """The worst level that has held for long enough."""
    if _has_lasted(state.alert_since, policy.hold_s, now):
        return "alert"
    return "warning" if _has_lasted(state.worse_since, policy.hold_s, now) else "ok"


def _has_lasted(since: datetime | None, seconds: int, now: datetime) -> bool:
    return since is not None and now - since >= timedelta(seconds=seconds)


def _tell(
    policy: Policy,
    before: SeriesState,
    state: SeriesState,
    changes: tuple[Change, ...],
    now: datetime,
    *,
    is_muted: bool,
    is_acknowledged: bool,
) -> Outcome:
    """What people must hear now; nothing while the series is silenced, and no end of what they never heard of."""
    messages: list[Message] = []
    if "closed" in changes:
        if before.told is not None and not is_muted:
            messages.append("closed")
        return Outcome(replace(state, told=None, told_at=None), changes, tuple(messages))
    level = state.open_level
    if level is not None and not is_muted:
        if state.told is None:
            messages.append("opened")
        elif RANK[level] > RANK[state.told]:
            messages.append("worsened")
        elif policy.renotify_s and not is_acknowledged and _has_lasted(state.told_at, policy.renotify_s, now):
            messages.append("reminded")
    if messages and level is not None:
        worst = level if state.told is None or RANK[level] > RANK[state.told] else state.told
        state = replace(state, told=worst, told_at=now)
    return Outcome(state, changes, tuple(messages))


def remember(state: SeriesState) -> dict[str, Any]:
    """The state as JSON."""
    kept = {name: getattr(state, name) for name in SeriesState.__dataclass_fields__}
    return kept | {name: kept[name].isoformat() for name in _TIMES if kept[name] is not None}


def recall(kept: dict[str, Any]) -> SeriesState:
    """The inverse of `remember`.

    >>> recall(remember(SeriesState(number=3))) == SeriesState(number=3)
    True
    """
    times = {name: datetime.fromisoformat(kept[name]) for name in _TIMES if kept.get(name)}
    return SeriesState(**{**kept, **times})


@dataclass(frozen=True, slots=True)
class Silence:
    """A stretch of time in which nothing is told of a rule, a model, or everything."""

    rule_id: str | None
    model_id: str | None
    starts_at: datetime
    ends_at: datetime


def is_silenced(silences: list[Silence], rule_id: str, model_id: str, now: datetime) -> bool:
    """Whether one of the silences covers this rule and model at this moment."""
    return any(
        one.starts_at <= now < one.ends_at and one.rule_id in (None, rule_id) and one.model_id in (None, model_id)
        for one in silences
    )


def due_points(every_s: int, offset_s: int, evaluated_at: datetime | None, now: datetime, limit: int) -> list[datetime]:
    """The ends of the windows to look at now, oldest first: a fixed grid, `offset_s` behind the clock for late data.

    Points that passed since `evaluated_at` are looked at too, at most `limit` of them, so that what happened while
    no worker ran is found; a rule that was never evaluated begins with the newest point.
    """
    newest = floor_to(now - timedelta(seconds=offset_s), every_s)
    if evaluated_at is None:
        return [newest]
    missed = int((newest - evaluated_at).total_seconds()) // every_s
    if missed <= 0:
        return []
    return [newest - timedelta(seconds=every_s * back) for back in range(min(missed, limit) - 1, -1, -1)]


def floor_to(at: datetime, step_s: int) -> datetime:
    """The last multiple of `step_s` seconds since 1970 that is not after `at`."""
    return datetime.fromtimestamp(int(at.timestamp()) // step_s * step_s, tz=at.tzinfo)

"""When a value is a reason to warn: thresholds, changes against the past, burn rates and drift verdicts. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from backend.alerts.rules import Level, Observation

Kind = Literal["threshold", "change", "burn_rate", "drift"]
Direction = Literal["above", "below", "either"]
#: Measures whose value is their own n: an empty window is exactly what a rule about them may look for.
_COUNTS = frozenset({"count", "per_second"})
_WEEK_S = 7 * 86_400
#: A relative change from nothing is beyond every limit, and yet a number that databases hold.
_ENDLESS = 1e9


@dataclass(frozen=True, slots=True)
class Condition:
    """When to warn and when to alert; either limit may be missing, not both (drift needs none).

    threshold: the value against the limits. change: the difference to the previous period, or to the median of the
    same hour in up to `weeks` past weeks; `mode` absolute (in the measure's unit) or relative (0.5 = 50 %).
    burn_rate: the share of bad events over 1 - `objective`, in the long and in the short window at once.
    drift: what the drift judge says of each feature (`features` empty: all of them).
    `is_cautious`: the end of the 95 % interval that is nearer to well is compared, so that few events raise nothing.
    """

    kind: Kind
    direction: Direction = "above"
    warning: float | None = None
    alert: float | None = None
    against: Literal["previous", "past_weeks"] = "previous"
    weeks: int = 4
    mode: Literal["absolute", "relative"] = "relative"
    is_cautious: bool = False
    objective: float = 0.999
    short_window_s: int = 300
    features: tuple[str, ...] = ()

    @classmethod
    def declared(cls, fields: Mapping[str, Any]) -> Condition:
        """From a rule's JSON; what is not declared keeps its default."""
        known = {name: value for name, value in fields.items() if name in cls.__dataclass_fields__}
        return cls(**{**known, "features": tuple(known.get("features") or ())})

    def lookbacks_s(self, window_s: int) -> tuple[int, ...]:
        """How long before the window the windows lie that it is compared with."""
        if self.kind != "change":
            return ()
        if self.against == "previous":
            return (window_s,)
        return tuple(week * _WEEK_S for week in range(1, self.weeks + 1))


@dataclass(frozen=True, slots=True)
class Reading:
    """A measure over one window; None where it is not defined. Bounds are there for rates only."""

    value: float | None
    n: float
    lower: float | None = None
    upper: float | None = None


def judge(
    condition: Condition,
    now: Reading,
    past: Sequence[Reading] = (),
    short: Reading | None = None,
    *,
    min_n: int = 0,
    unit: str = "share",
    bad: str = "up",
) -> Observation:
    """The level of one window. `past` are the windows it is compared with, `short` the burn rate's short window.

    >>> judge(Condition("threshold", alert=0.1), Reading(0.2, 50)).level
    'alert'
    """
    if condition.kind == "burn_rate":
        return _burn(condition, now, short, min_n=min_n, bad=bad)
    value = _compared(condition, now)
    if condition.kind == "threshold":
        if now.value is None or value is None or now.n < (0 if unit in _COUNTS else min_n):
            return Observation(None, now.value, now.n, reason="few")
        return Observation(_level(condition, value), now.value, now.n, score=_signed(condition, value))
    return _change(condition, now, value, past, min_n=min_n, unit=unit)


def judge_verdict(verdict: str, reason: str | None, value: float | None, n: float) -> Observation:
    """What a drift verdict means: only "drifted" is a reason to alert; no verdict is no data."""
    if verdict == "drifted":
        return Observation("alert", value, n, score=abs(value or 0.0), reason=reason)
    if verdict in ("ok", "negligible"):
        return Observation("ok", value, n, score=abs(value or 0.0), reason=reason)
    return Observation(None, value, n, reason=reason or verdict)


def _compared(condition: Condition, now: Reading) -> float | None:
    if not condition.is_cautious:
        return now.value
    bound = now.upper if condition.direction == "below" else now.lower
    return now.value if bound is None else bound


def _change(
    condition: Condition, now: Reading, value: float | None, past: Sequence[Reading], *, min_n: int, unit: str
) -> Observation:
    is_count = unit in _COUNTS
    known = [one for one in past if one.value is not None and (is_count or one.n >= min_n)]
    if now.value is None or value is None or not known:
        return Observation(None, now.value, now.n, reason="few" if now.value is None else "no_past")
    reference = median([one.value for one in known if one.value is not None])
    if max(now.n, reference) < min_n if is_count else now.n < min_n:
        return Observation(None, now.value, now.n, reference, reason="few")
    amount = value - reference
    if condition.mode == "relative":
        amount = amount / abs(reference) if reference else math.copysign(_ENDLESS, amount) if amount else 0.0
    score = abs(amount) if condition.direction == "either" else -amount if condition.direction == "below" else amount
    return Observation(_beyond(condition, score), now.value, now.n, reference, score)


def _burn(condition: Condition, now: Reading, short: Reading | None, *, min_n: int, bad: str) -> Observation:
    """Both windows must burn: the long one shows that it matters, the short one that it still goes on."""
    budget = 1.0 - condition.objective
    if now.value is None or now.n < min_n or short is None:
        return Observation(None, now.value, now.n, reason="few")
    rates = [0.0 if one.value is None else (one.value if bad != "down" else 1 - one.value) for one in (now, short)]
    burn = min(rates) / budget
    return Observation(_beyond(condition, burn), now.value, now.n, reference=budget, score=rates[0] / budget)


def _level(condition: Condition, value: float) -> Level:
    if condition.direction == "below":
        return _beyond(condition, -value, sign=-1.0)
    return _beyond(condition, value)


def _beyond(condition: Condition, score: float, *, sign: float = 1.0) -> Level:
    if condition.alert is not None and score > sign * condition.alert:
        return "alert"
    if condition.warning is not None and score > sign * condition.warning:
        return "warning"
    return "ok"


def _signed(condition: Condition, value: float) -> float:
    return -value if condition.direction == "below" else value


def median(numbers: Sequence[float]) -> float:
    """The middle number, or the mean of the two middle ones.

    >>> median([1.0, 9.0, 2.0])
    2.0
    """
    ordered = sorted(numbers)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else math.fsum(ordered[middle - 1 : middle + 1]) / 2

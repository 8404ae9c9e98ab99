"""A budget of items a day as a rate that is known before its items are. Pure.

The rate of an hour is set from what earlier hours brought and holds for all of it. So it depends on none of the items
that it is used for, and the inclusion probability that is stored is exact; the budget itself is met on average.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
#: Hours looked back for the forecast.
MEMORY = 24


def hour_of(at: datetime) -> datetime:
    """The UTC hour that a moment lies in."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def hourly_rate(budget: float, before: Sequence[float], sent_today: float, hours_left: int) -> float:
    """The rate for the coming hour, in [0, 1].

    `before`: items of the stratum in each of the last hours, newest last, empty where none was watched yet;
    `sent_today`: expected number sent since midnight; `hours_left`: of the day, this one included. The forecast is the
    mean of the last hours or the last hour, whichever is more: a rush is met at once, a lull with care. Without a past
    nothing is known, and the rate is 0: the first hour gets the random share alone.

    >>> hourly_rate(24, [10.0] * 24, sent_today=0, hours_left=24)
    0.1
    """
    if not before:
        return 0.0
    forecast = max(sum(before) / len(before), before[-1], 1.0)
    return min(1.0, max(0.0, budget - sent_today) / hours_left / forecast)


@dataclass(slots=True)
class Hour:
    """What is known of one stratum's hour: its rate once it is set, and the items that came."""

    rate: float | None = None
    n_seen: int = 0


@dataclass(slots=True)
class BudgetBook:
    """The hours of every budgeted stratum of one policy, as stored rows or as a replay builds them up."""

    budgets: Mapping[str, float]
    hours: dict[tuple[str, datetime], Hour] = field(default_factory=dict)

    def rates(self, hour: datetime) -> dict[str, float]:
        """The rates of an hour; those that are not set yet are set now."""
        return {stratum: self.rate(stratum, hour) for stratum in self.budgets}

    def rate(self, stratum: str, hour: datetime) -> float:
        """The rate of one stratum in an hour, set at the first call."""
        known = self.hours.setdefault((stratum, hour), Hour())
        if known.rate is None:
            known.rate = self._set(stratum, hour)
        return known.rate

    def count(self, stratum: str, hour: datetime, n: int = 1) -> None:
        """Items of a stratum came."""
        self.hours.setdefault((stratum, hour), Hour()).n_seen += n

    def _set(self, stratum: str, hour: datetime) -> float:
        past = [hour - HOUR * back for back in range(MEMORY, 0, -1)]
        watched = [at for name, at in self.hours if name == stratum and at < hour]
        first = min(watched, default=None)
        before = [float(self._seen(stratum, at)) for at in past if first is not None and at >= first]
        midnight = hour.replace(hour=0)
        today = [at for at in past if at >= midnight]
        sent = sum(self._seen(stratum, at) * self._known(stratum, at) for at in today)
        return hourly_rate(self.budgets[stratum], before, sent, MEMORY - hour.hour)

    def _seen(self, stratum: str, hour: datetime) -> int:
        found = self.hours.get((stratum, hour))
        return found.n_seen if found is not None else 0

    def _known(self, stratum: str, hour: datetime) -> float:
        found = self.hours.get((stratum, hour))
        return (found.rate or 0.0) if found is not None else 0.0

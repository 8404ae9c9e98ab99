"""When a schedule's report is due, and which days it is about. Pure: no clock, no database.

A schedule names a wall clock: weekday and hour in a time zone. An hour that daylight saving skips is taken at the
first moment after the gap, an hour that happens twice at its first.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

WEEK = timedelta(days=7)


class Weekly(NamedTuple):
    """Every `weekday` (0 is Monday) at `hour`:00 in `timezone` (a name of the IANA database)."""

    weekday: int
    hour: int
    timezone: str


def next_due(rule: Weekly, after: datetime) -> datetime:
    """The first moment after `after` at which the report is due, in UTC.

    >>> next_due(Weekly(0, 7, "Asia/Ho_Chi_Minh"), datetime(2026, 3, 6, tzinfo=UTC)).isoformat()
    '2026-03-09T00:00:00+00:00'
    """
    today = after.astimezone(ZoneInfo(rule.timezone)).date()
    first = today - timedelta(days=(today.weekday() - rule.weekday) % 7)
    return next(due for n in range(-1, 4) if (due := _on(rule, first + n * WEEK)) > after)


def last_due(rule: Weekly, now: datetime) -> datetime:
    """The latest moment up to `now` at which the report was due, in UTC.

    >>> last_due(Weekly(0, 7, "Asia/Ho_Chi_Minh"), datetime(2026, 3, 9, tzinfo=UTC)).isoformat()
    '2026-03-09T00:00:00+00:00'
    """
    today = now.astimezone(ZoneInfo(rule.timezone)).date()
    first = today - timedelta(days=(today.weekday() - rule.weekday) % 7)
    return next(due for n in range(1, -4, -1) if (due := _on(rule, first + n * WEEK)) <= now)


def window_of(rule: Weekly, due_at: datetime) -> tuple[datetime, datetime]:
    """The seven whole days before the day on which the report is due, in UTC; 167 or 169 hours where clocks change.

    >>> [at.isoformat() for at in window_of(Weekly(0, 7, "Asia/Ho_Chi_Minh"), datetime(2026, 3, 9, tzinfo=UTC))]
    ['2026-03-01T17:00:00+00:00', '2026-03-08T17:00:00+00:00']
    """
    day = due_at.astimezone(ZoneInfo(rule.timezone)).date()
    return _at(day - WEEK, 0, rule.timezone), _at(day, 0, rule.timezone)


def window_until(now: datetime, days: int, timezone: str) -> tuple[datetime, datetime]:
    """The last `days` days of the calendar in a zone, the running one up to the next full five minutes, in UTC.

    Events are counted in buckets of five minutes.

    >>> [at.isoformat() for at in window_until(datetime(2026, 3, 9, 10, 2, tzinfo=UTC), 7, "UTC")]
    ['2026-03-03T00:00:00+00:00', '2026-03-09T10:05:00+00:00']
    """
    floor = now.astimezone(UTC).replace(second=0, microsecond=0)
    end = floor - timedelta(minutes=floor.minute % 5) + timedelta(minutes=5)
    today = now.astimezone(ZoneInfo(timezone)).date()
    return _at(today - timedelta(days=days - 1), 0, timezone), end


def _on(rule: Weekly, day: date) -> datetime:
    return _at(day, rule.hour, rule.timezone)


def _at(day: date, hour: int, timezone: str) -> datetime:
    """A wall clock as UTC. With fold=0 a skipped hour counts from before the gap, which leads to just after it."""
    return datetime.combine(day, time(hour), tzinfo=ZoneInfo(timezone)).astimezone(UTC)

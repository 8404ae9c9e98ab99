"""Numbers, shares, durations, sizes, dates and times as the reader writes them (CLDR, through Babel)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from babel import dates as babel_dates
from babel import numbers as babel_numbers

from dashboard.kit.text import locale, reader, t

#: Shown where there is no value: an en dash, never 0.
NOTHING: Final = "–"


def number(value: float | None, digits: int | None = None) -> str:
    """A number with the reader's separators; without `digits` integers stay whole and others get 3 figures.

    >>> with reading_as("vi"):
    ...     number(1234567.5, 1)
    '1.234.567,5'
    """
    if _is_absent(value):
        return NOTHING
    assert value is not None
    if digits is None:
        digits = 0 if float(value).is_integer() or abs(value) >= 100 else (1 if abs(value) >= 10 else 2)
    shape = "#,##0" + ("." + "0" * digits if digits else "")
    return str(babel_numbers.format_decimal(round(value, digits), format=shape, locale=locale()))


def percent(value: float | None, digits: int = 1) -> str:
    """A share (0..1) as a percentage; a small share that is not nothing is never written as 0."""
    if _is_absent(value):
        return NOTHING
    assert value is not None
    floor = 10.0 ** -(digits + 2)
    if 0 < abs(value) < floor / 2:
        return "< " + percent(floor, digits)
    shape = "#,##0" + ("." + "0" * digits if digits else "") + "%"
    return str(babel_numbers.format_percent(value, format=shape, locale=locale()))


def points(value: float | None, digits: int = 1) -> str:
    """A difference of two shares, in percentage points with its sign."""
    if _is_absent(value):
        return NOTHING
    assert value is not None
    return t("common.points", value=signed(value * 100, digits))


def signed(value: float, digits: int = 1) -> str:
    """A number that always shows its sign (a true minus)."""
    rounded = round(value, digits)
    sign = "+" if rounded > 0 else "−" if rounded < 0 else "±"
    return sign + number(abs(rounded), digits)


def milliseconds(value: float | None) -> str:
    """A duration in ms, written in seconds from 10 s on."""
    if _is_absent(value):
        return NOTHING
    assert value is not None
    if value >= 10_000:
        return number(value / 1000, 1) + " s"
    return number(value, 0 if value >= 100 else 1 if value >= 10 else 2) + " ms"


def size(n_bytes: float | None) -> str:
    """Bytes with a decimal unit."""
    if _is_absent(n_bytes):
        return NOTHING
    value, units = float(n_bytes or 0), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{number(value, 0 if units[0] == 'B' or value >= 100 else 1)} {units[0]}"


def interval(low: float | None, high: float | None, digits: int = 1) -> str:
    """An interval of shares: 91.2–94.0%."""
    if _is_absent(low) or _is_absent(high):
        return NOTHING
    return f"{percent(low, digits).removesuffix('%')}–{percent(high, digits)}"


#: Units that are written alike in every language.
_SUFFIXES: Final = {"s": "s", "px": "px", "dbfs": "dBFS", "nats": "nat", "psi": "PSI"}


def by_unit(value: float | None, unit: str) -> str:
    """A value written by the unit of its measure: ratio, ms, count, per_s, bytes, s, px, dbfs, nats, psi, chars."""
    if unit in {"ratio", "share"}:
        return percent(value)
    if unit in {"ms", "milliseconds"}:
        return milliseconds(value)
    if unit in _SUFFIXES:
        return NOTHING if _is_absent(value) else f"{number(value)} {_SUFFIXES[unit]}"
    if unit == "chars":
        return NOTHING if _is_absent(value) else t("common.characters", value=number(value, 0))
    if unit in {"bytes", "byte"}:
        return size(value)
    if unit in {"per_s", "events/s", "1/s", "per_second"}:
        return t("common.per_second", value=number(value, 2)) if not _is_absent(value) else NOTHING
    return number(value)


def _is_absent(value: float | None) -> bool:
    return value is None or value != value


def date(at: datetime | None) -> str:
    """The day in the reader's zone."""
    return _written(at, "common.format.date")


def clock(at: datetime | None) -> str:
    """The time of day in the reader's zone."""
    return _written(at, "common.format.clock")


def moment(at: datetime | None) -> str:
    """Day and time in the reader's zone."""
    return _written(at, "common.format.moment")


def exact(at: datetime | None) -> str:
    """Day and time to the second with the zone's offset, for details and tooltips."""
    return _written(at, "common.format.exact")


def span(start: datetime, end: datetime) -> str:
    """A window of time."""
    if local(start).date() == local(end).date():
        return f"{moment(start)}–{clock(end)}"
    return f"{moment(start)} – {moment(end)}"


def ago(at: datetime | None, now: datetime | None = None) -> str:
    """How long ago, in words."""
    if at is None:
        return NOTHING
    passed = local(at) - (now or datetime.now(UTC))
    if abs(passed) < timedelta(seconds=5):
        return t("common.just_now")
    return str(babel_dates.format_timedelta(passed, add_direction=True, threshold=1.2, locale=locale()))


def local(at: datetime) -> datetime:
    """The same moment in the reader's zone; a time without zone is taken as UTC."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(reader().zone)


def _written(at: datetime | None, pattern_key: str) -> str:
    if at is None:
        return NOTHING
    return str(babel_dates.format_datetime(local(at), format=t(pattern_key), locale=locale()))

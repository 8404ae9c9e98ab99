"""Charts as plain SVG, for pages that have no script: the same lines, marks and units as kit/charts.py, in a few
kilobytes, sharp in print. Colours are CSS variables (--ink, --s0 ...) that the page sets; without them the light theme
shows. Called by dashboard.reports."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, time, timedelta
from html import escape
from typing import Final

from babel import dates as babel_dates

from dashboard.kit import values as written
from dashboard.kit.charts import Line, Mark
from dashboard.kit.text import locale, t
from dashboard.kit.theme import LIGHT

Window = tuple[datetime, datetime]

_LEFT: Final = 48.0
_RIGHT: Final = 8.0
_TOP: Final = 14.0
_BOTTOM: Final = 18.0
_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_MAX_DAY_LABELS: Final = 8
#: Labels of marks closer than this would lie on each other.
_MARK_ROOM: Final = 46.0


def time_chart(
    lines: Sequence[Line],
    *,
    unit: str,
    window: Window,
    alt: str,
    marks: Sequence[Mark] = (),
    reference: tuple[float, str] | None = None,
    zero: bool = True,
    width: float = 360,
    height: float = 150,
) -> str:
    """Lines over time in the reader's zone: gaps are gaps, bands are intervals, the line of the period before is faint.

    `reference` is a level to compare with, with its name. The picture's text alternative is `alt`.
    """
    low, high, ticks = _scale(lines, unit, zero, reference)
    plot = _Plot(window, low, high, width, height)
    parts = [*_value_axis(plot, ticks, unit), *_day_axis(plot)]
    if reference is not None:
        parts += _reference(plot, reference)
    current = [line for line in lines if not line.is_previous]
    for number, line in enumerate(current):
        parts += [_band(plot, stretch, line, number) for stretch in _stretches(line)]
    parts += [_line(plot, line, 0, is_faint=True) for line in lines if line.is_previous]
    parts += [_line(plot, line, number) for number, line in enumerate(current)]
    parts += _marks(plot, marks)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(alt, quote=True)}" font-family="inherit" font-size="9.5">{"".join(parts)}</svg>'
    )


class _Plot:
    """Where a moment and a value lie on the picture."""

    def __init__(self, window: Window, low: float, high: float, width: float, height: float) -> None:
        self.start, self.end = window
        self.low, self.high = low, high
        self.left, self.right = _LEFT, width - _RIGHT
        self.top, self.bottom = _TOP, height - _BOTTOM
        self._seconds = max(1.0, (self.end - self.start).total_seconds())

    def x(self, at: datetime) -> float:
        passed = (at - self.start).total_seconds() / self._seconds
        return self.left + (self.right - self.left) * min(1.0, max(0.0, passed))

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - (self.bottom - self.top) * min(1.0, max(0.0, share))


def _scale(
    lines: Sequence[Line], unit: str, zero: bool, reference: tuple[float, str] | None
) -> tuple[float, float, list[float]]:
    """The ends of the value axis and its ticks."""
    known = [value for line in lines for value in line.values if value is not None]
    known += [reference[0]] if reference else []
    is_share = unit in {"ratio", "share"}
    smallest = {"count": 3.0, "ms": 1.0, "milliseconds": 1.0}.get(unit, 0.01)
    top = max(known, default=0.0)
    bottom = 0.0 if zero else min(known, default=0.0)
    if not zero:
        room = max((top - bottom) * 0.3, 0.02)
        bottom, top = max(0.0, bottom - room), top + room
    top = max(top, bottom + smallest)
    if is_share:
        top = min(top, 1.0)
    step = _nice((top - bottom) / 3, is_whole=unit == "count")
    first = math.floor(bottom / step + 1e-9) * step
    last = math.ceil(top / step - 1e-9) * step
    last = min(last, 1.0) if is_share else last
    n_steps = math.floor((last - first) / step + 1e-9)
    return first, max(last, first + step), [first + step * i for i in range(n_steps + 1)]


def _nice(wanted: float, *, is_whole: bool) -> float:
    """The next larger of 1, 2, 2.5, 5 times a power of ten.

    >>> _nice(0.17, is_whole=False), _nice(0.4, is_whole=True)
    (0.2, 1.0)
    """
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(round(power * one, 12) for one in _STEPS if power * one >= wanted * (1 - 1e-9))
    return max(1.0, float(math.ceil(step))) if is_whole else step


def _value_axis(plot: _Plot, ticks: Sequence[float], unit: str) -> Iterable[str]:
    label = _tick_label(ticks, unit)
    for tick in ticks:
        y = plot.y(tick)
        yield (
            f'<line x1="{plot.left:.1f}" x2="{plot.right:.1f}" y1="{y:.1f}" y2="{y:.1f}" '
            f'style="stroke:var(--grid,{LIGHT.grid})"/>'
        )
        yield _text(plot.left - 5, y + 3, label(tick), anchor="end")


def _tick_label(ticks: Sequence[float], unit: str) -> Callable[[float], str]:
    """Ticks with just the decimals that tell them apart."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    if unit in {"ratio", "share"}:
        digits = _digits(step * 100)
        return lambda value: written.percent(value, digits)
    if unit in {"ms", "milliseconds"} and max(ticks) >= 10_000:
        digits = _digits(step / 1000)
        return lambda value: written.number(value / 1000, digits) + " s"
    digits = _digits(step)
    suffix = " ms" if unit in {"ms", "milliseconds"} else ""
    return lambda value: written.number(value, digits) + suffix


def _digits(step: float) -> int:
    """The decimals that a step of 1, 2, 2.5 or 5 times a power of ten needs, at most six.

    >>> _digits(0.25), _digits(2000.0), _digits(5e-6)
    (2, 0, 6)
    """
    return next((digits for digits in range(6) if abs(step * 10**digits - round(step * 10**digits)) < 1e-6), 6)


def _day_axis(plot: _Plot) -> Iterable[str]:
    """A tick at every local midnight, as many of them named as there is room for."""
    midnights = _midnights(plot.start, plot.end)
    every = max(1, -(-len(midnights) // _MAX_DAY_LABELS))
    for number, at in enumerate(midnights):
        x = plot.x(at)
        if number % every:
            continue
        yield (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{plot.bottom:.1f}" y2="{plot.bottom + 3:.1f}" '
            f'style="stroke:var(--soft,{LIGHT.soft_ink})"/>'
        )
        if x <= plot.right - 14:
            yield _text(max(x, plot.left + 4), plot.bottom + 13, day_label(at), anchor="middle")


def _midnights(start: datetime, end: datetime) -> list[datetime]:
    first = written.local(start)
    day = first.date() + timedelta(days=0 if first.time() == time() else 1)
    found = []
    while (at := datetime.combine(day, time(), tzinfo=first.tzinfo)) < end:
        found.append(at)
        day += timedelta(days=1)
    return found


def day_label(at: datetime) -> str:
    """A day without its year, as short as the reader writes it."""
    return str(babel_dates.format_datetime(written.local(at), format=t("report.format.day"), locale=locale()))


def _reference(plot: _Plot, reference: tuple[float, str]) -> list[str]:
    y = plot.y(reference[0])
    return [
        f'<line x1="{plot.left:.1f}" x2="{plot.right:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke-dasharray="5 3" '
        f'style="stroke:var(--soft,{LIGHT.soft_ink})"/>',
        _text(plot.right, y - 4, reference[1], anchor="end"),
    ]


def _line(plot: _Plot, line: Line, number: int, *, is_faint: bool = False) -> str:
    path: list[str] = []
    alone: list[str] = []
    is_open, before = False, ""
    for at, value in zip(line.at, line.values, strict=True):
        if value is None:
            if is_open and path[-1].startswith("M"):
                alone.append(before)
            is_open = False
            continue
        before = f"{plot.x(at):.1f} {plot.y(value):.1f}"
        path.append(f"{'L' if is_open else 'M'}{before}")
        is_open = True
    if is_open and path[-1].startswith("M"):
        alone.append(before)
    colour = f"var(--s{number % len(LIGHT.series)},{LIGHT.series[number % len(LIGHT.series)]})"
    look = ' stroke-dasharray="2 3" opacity=".65"' if is_faint else ""
    drawn = (
        f'<path d="{"".join(path)}" fill="none" stroke-width="{1.1 if is_faint else 1.7}" stroke-linejoin="round" '
        f'style="stroke:{colour}"{look}/>'
    )
    dots = "".join(
        f'<circle cx="{one.split()[0]}" cy="{one.split()[1]}" r="2" style="fill:{colour}"{look}/>' for one in alone
    )
    return drawn + dots if path else ""


def _stretches(line: Line) -> list[list[int]]:
    """Runs of points with an interval; a single one has no width to draw."""
    if line.low is None or line.high is None:
        return []
    runs: list[list[int]] = [[]]
    for number in range(len(line.at)):
        if line.low[number] is None or line.high[number] is None:
            runs.append([])
        else:
            runs[-1].append(number)
    return [run for run in runs if len(run) > 1]


def _band(plot: _Plot, run: Sequence[int], line: Line, number: int) -> str:
    assert line.low is not None
    assert line.high is not None
    upper = [f"{plot.x(line.at[i]):.1f},{plot.y(line.high[i] or 0.0):.1f}" for i in run]
    lower = [f"{plot.x(line.at[i]):.1f},{plot.y(line.low[i] or 0.0):.1f}" for i in reversed(run)]
    colour = LIGHT.series[number % len(LIGHT.series)]
    return (
        f'<polygon points="{" ".join(upper + lower)}" opacity=".16" '
        f'style="fill:var(--s{number % len(LIGHT.series)},{colour})"/>'
    )


def _marks(plot: _Plot, marks: Sequence[Mark]) -> Iterable[str]:
    """What happened, as vertical lines; a name is left out where it would lie on the one before."""
    free_from = -math.inf
    for mark in sorted(marks, key=lambda mark: mark.at):
        if not plot.start <= mark.at < plot.end:
            continue
        x = plot.x(mark.at)
        colour = f"var(--bad,{LIGHT.bad})" if mark.kind == "alert" else f"var(--soft,{LIGHT.soft_ink})"
        yield (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{plot.top - 4:.1f}" y2="{plot.bottom:.1f}" stroke-dasharray="3 3" '
            f'style="stroke:{colour}"/>'
        )
        if x < free_from:
            continue
        is_late = x > plot.right - _MARK_ROOM
        yield _text(x - 3 if is_late else x + 3, plot.top - 4, mark.label, anchor="end" if is_late else "start")
        free_from = x + _MARK_ROOM


def _text(x: float, y: float, said: str, *, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="fill:var(--soft,{LIGHT.soft_ink})">'
        f"{escape(said)}</text>"
    )

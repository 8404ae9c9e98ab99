"""From rules to observations: which windows each rule needs, and what its condition says about them.

The worker calls it for the newest windows of all rules at once, "try on the last 90 days" for thousands of windows of
one rule: both fold the same observations through the same state machine.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np

from backend.alerts.conditions import Reading, judge, judge_verdict
from backend.alerts.rule import WatchedRule
from backend.alerts.rules import Observation, Series
from db.analytics.catalog import BY_NAME
from db.analytics.sliding import Steps
from db.analytics.values import Values
from db.analytics.watched import WHOLE, Answers, Ask, Unanswerable, Watcher

#: Up to this many windows each window of the past is read by itself; for more, one long stretch is read once.
_FEW = 400


class FeatureVerdict(Protocol):
    """What the drift judge says of one feature in one window; `verdict`: ok, drifted, negligible, insufficient or
    failed; `psi` None: nothing to compare; `n`: rows of the window."""

    @property
    def feature(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def psi(self) -> float | None: ...
    @property
    def n(self) -> int: ...


class DriftJudge(Protocol):
    """Asked about one model, a version and a segment of it or None, and windows of one width by their ends; answers
    with a verdict per feature for every window, in their order. A window may be judged by its whole hours."""

    def __call__(
        self,
        model: Any,
        version: str | None,
        segment: tuple[str, str] | None,
        ends: Sequence[datetime],
        width: timedelta,
        /,
    ) -> Sequence[Sequence[FeatureVerdict]]: ...


@dataclass(frozen=True, slots=True)
class Look:
    """One rule at one model at some moments (the ends of its windows, `every_s` apart)."""

    rule: WatchedRule
    model_id: str
    first_at: datetime
    n: int

    @property
    def steps(self) -> Steps:
        return Steps(self.first_at, self.n, self.rule.every_s, self.rule.window_s)

    @property
    def ends(self) -> list[datetime]:
        return self.steps.ends


@dataclass(frozen=True, slots=True)
class _Asks:
    """What a look reads: its own windows, those of the past by lookback, and the burn rate's short ones."""

    now: Ask
    past: dict[int, Ask]
    short: Ask | None
    is_stretch: bool

    def all(self) -> list[Ask]:
        return [self.now, *self.past.values(), *([self.short] if self.short else [])]


def observe_all(
    looks: Sequence[Look],
    watcher: Watcher,
    models: Mapping[str, Any],
    first_days: Mapping[str, datetime],
    now: datetime,
    drift: DriftJudge | None = None,
) -> list[Series | Exception]:
    """What each look found, in their order: observations per series, or why it failed."""
    asks = [None if look.rule.condition.kind == "drift" else _asks(look) for look in looks]
    answers = watcher.read([ask for one in asks if one is not None for ask in one.all()], models, now)
    found: list[Series | Exception] = []
    for look, mine in zip(looks, asks, strict=True):
        try:
            if mine is None:
                found.append(_drift(look, models[look.model_id], drift))
            else:
                found.append(_series(look, mine, answers, first_days.get(look.model_id)))
        except Exception as error:  # noqa: BLE001 - a failed evaluation is an alert of its own; the others go on
            found.append(error)
    return found


def _asks(look: Look) -> _Asks:
    rule, steps = look.rule, look.steps
    lookbacks = rule.condition.lookbacks_s(rule.window_s)
    is_stretch = look.n > _FEW and bool(lookbacks) and all(back % rule.every_s == 0 for back in lookbacks)

    def ask(first_at: datetime, n: int, width_s: int) -> Ask:
        made = Steps(first_at, n, steps.step_s, width_s)
        return Ask(look.model_id, rule.measure, made, rule.version, rule.segment, rule.each)

    if is_stretch:
        longest = max(lookbacks)
        now = ask(look.first_at - timedelta(seconds=longest), look.n + longest // rule.every_s, rule.window_s)
        past: dict[int, Ask] = {}
    else:
        now = ask(look.first_at, look.n, rule.window_s)
        past = {back: ask(look.first_at - timedelta(seconds=back), look.n, rule.window_s) for back in lookbacks}
    short = None
    if rule.condition.kind == "burn_rate":
        short = ask(look.first_at, look.n, rule.condition.short_window_s)
    return _Asks(now, past, short, is_stretch)


def _series(look: Look, asks: _Asks, answers: Answers, first_day: datetime | None) -> Series:
    now = _answer(answers, asks.now)
    past = {back: _answer(answers, ask) for back, ask in asks.past.items()}
    short = None if asks.short is None else _answer(answers, asks.short)
    measure = BY_NAME[look.rule.measure]
    found: Series = {}
    for row, name in enumerate(now.series):
        current, before = _windows(look, asks, now, past, row, name, first_day)
        shorts = _readings(short, name) if short is not None else [None] * look.n
        found[name] = [
            judge(
                look.rule.condition,
                one,
                then,
                brief,
                min_n=look.rule.min_n,
                unit=measure.unit,
                bad=measure.bad,
            )
            for one, then, brief in zip(current, before, shorts, strict=True)
        ]
    return found


def _answer(answers: Answers, ask: Ask) -> Values:
    found = answers[ask]
    if isinstance(found, Exception):
        raise found
    return found


def _windows(
    look: Look,
    asks: _Asks,
    now: Values,
    past: Mapping[int, Values],
    row: int,
    name: str,
    first_day: datetime | None,
) -> tuple[list[Reading], list[list[Reading]]]:
    """The series' readings, and for each the readings of the past that it is compared with.

    Windows before the model's first day are no past: it was not silent then, it was not there.
    """
    rule = look.rule
    readings, ends = _row(now, row), look.ends
    columns: list[list[Reading]] = []
    for back in rule.condition.lookbacks_s(rule.window_s):
        if asks.is_stretch:
            place = len(readings) - look.n - back // rule.every_s
            column = readings[place : place + look.n]
        else:
            column = _readings(past[back], name)
        if first_day is not None:
            floor = first_day + timedelta(seconds=back + rule.window_s)
            n_before = min(len(column), bisect_left(ends, floor))
            column = [_NOTHING] * n_before + column[n_before:]
        columns.append(column)
    before = [list(column) for column in zip(*columns, strict=True)] if columns else [[] for _ in range(look.n)]
    return readings[-look.n :], before


_NOTHING = Reading(None, 0.0)


def _readings(values: Values, name: str) -> list[Reading]:
    """The readings of a series by its name; nothing in every window where it does not occur."""
    if name not in values.series:
        return [_NOTHING] * values.value.shape[1]
    return _row(values, values.series.index(name))


def _row(values: Values, row: int) -> list[Reading]:
    grids = [values.value, values.n, values.lower, values.upper]
    columns = [[None] * values.value.shape[1] if grid is None else _nullable(grid[row]) for grid in grids]
    return [Reading(value, n or 0.0, lower, upper) for value, n, lower, upper in zip(*columns, strict=True)]


def _nullable(row: Any) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in row.tolist()]


def _drift(look: Look, model: Any, drift: DriftJudge | None) -> Series:
    if drift is None:
        raise Unanswerable("no drift is computed here")
    rule = look.rule
    found: Series = {}
    judged = drift(model, rule.version, rule.segment, look.ends, timedelta(seconds=rule.window_s))
    for place, window in enumerate(judged):
        for one in window:
            if rule.condition.features and one.feature not in rule.condition.features:
                continue
            series = found.setdefault(one.feature, [Observation(None, reason="absent")] * look.n)
            series[place] = judge_verdict(one.verdict, one.reason, one.psi, float(one.n))
    return found or {WHOLE: [Observation(None, reason="few")] * look.n}

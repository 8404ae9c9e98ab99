""" "Try on the last 90 days": what a rule, as it stands in the editor, would have raised."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from backend.alerts import schemas
from backend.alerts.evaluate import DriftJudge, Look, observe_all
from backend.alerts.replay import Raised, replay
from backend.alerts.rule import WatchedRule, watched
from backend.alerts.rules import Observation, floor_to
from backend.errors import Invalid
from db.analytics.series import Charts
from db.analytics.watched import Watcher
from db.models.alert import AlertRule

#: Points of one line on the editor's chart, and lines on it.
_POINTS, _LINES = 1_000, 8
_MAX_RAISED = 500
#: Windows that one try may look at: a year of five minutes is 105,000.
_MAX_WINDOWS = 30_000


def try_rule(
    charts: Charts,
    model: Any,
    fields: dict[str, Any],
    first_day: datetime | None,
    days: int,
    now: datetime,
    drift: DriftJudge | None = None,
) -> schemas.TryOut:
    """The rule folded over the past, through the same functions as the live evaluation. Drift is judged against the
    reference of today."""
    begun = time.perf_counter()
    rule = watched(AlertRule(id="try", **{**fields, "model_id": model.id}))
    look = _look(rule, model, first_day, days, now)
    known = {model.id: first_day} if first_day is not None else {}
    found = observe_all([look], Watcher(charts), {model.id: model}, known, now, drift)[0]
    if isinstance(found, Exception):
        raise Invalid(f"the rule cannot be tried: {found}") from found
    ends = look.ends
    raised = replay(rule, found, ends)
    observations = [one for series in found.values() for one in series]
    n_unknown = sum(one.level is None for one in observations)
    from db.analytics.catalog import BY_NAME

    measure = BY_NAME.get(rule.measure)
    return schemas.TryOut(
        model=model.name,
        measure=rule.measure,
        unit=measure.unit if measure else "count",
        start=look.steps.base.start,
        end=ends[-1],
        n_windows=len(ends),
        share_no_data=n_unknown / len(observations) if observations else 1.0,
        n_incidents=len(raised),
        n_alerts=sum(one.state == "alert" for one in raised),
        hours_firing=sum(_hours(one, ends[-1]) for one in raised),
        raised=[_shown(one) for one in raised[-_MAX_RAISED:]],
        lines=_lines(found, ends),
        duration_ms=(time.perf_counter() - begun) * 1000,
    )


def _look(rule: WatchedRule, model: Any, first_day: datetime | None, days: int, now: datetime) -> Look:
    """The windows of the last days, from the model's first day on."""
    last = floor_to(now - timedelta(seconds=rule.offset_s), rule.every_s)
    start = now - timedelta(days=days)
    if first_day is not None:
        start = max(start, first_day)
    n = max(1, int((last - start).total_seconds()) // rule.every_s)
    if n > _MAX_WINDOWS:
        raise Invalid(
            f"{n} windows are too many to try: take fewer days, or look less often", details={"most": _MAX_WINDOWS}
        )
    return Look(rule, model.id, last - timedelta(seconds=rule.every_s * (n - 1)), n)


def _hours(one: Raised, end: datetime) -> float:
    return ((one.closed_at or end) - one.opened_at).total_seconds() / 3600


def _shown(one: Raised) -> schemas.RaisedOut:
    return schemas.RaisedOut(**{name: getattr(one, name) for name in schemas.RaisedOut.model_fields})


def _lines(found: dict[str, list[Observation]], ends: Sequence[datetime]) -> list[schemas.TryLine]:
    """The series that were worst, thinned so that each stretch keeps its worst value."""
    worst = sorted(found, key=lambda name: -max((one.score for one in found[name]), default=0.0))[:_LINES]
    stretch = -(-len(ends) // _POINTS)
    lines = []
    for name in worst:
        kept = [
            max(range(first, min(first + stretch, len(ends))), key=lambda place: _weight(found[name][place]))
            for first in range(0, len(ends), stretch)
        ]
        lines.append(
            schemas.TryLine(
                series=name,
                at=[ends[place] for place in kept],
                value=[found[name][place].value for place in kept],
                reference=[found[name][place].reference for place in kept],
            )
        )
    return lines


def _weight(seen: Observation) -> tuple[bool, float]:
    return seen.value is not None, seen.score

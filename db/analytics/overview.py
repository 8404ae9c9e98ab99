"""The figures of the overview: every model now against the period before, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from db.analytics.answers import JudgedAnswers
from db.analytics.catalog import BY_NAME
from db.analytics.cells import group_cells
from db.analytics.judged_source import load_judged
from db.analytics.measure import JudgedMeasure, Measure, Moment
from db.analytics.rollups import load_cells_of_models
from db.analytics.series import Selection
from db.analytics.values import Values
from db.analytics.windows import Window
from db.engine import Database
from db.repositories.comparisons import count_waiting
from db.repositories.rollouts import current_rollouts

if TYPE_CHECKING:
    from db.eventlog.log import EventLog

#: What the overview shows of the roll-ups: key of the figure -> measure.
_SHOWN = {
    "events": "requests",
    "latency_p95": "latency_p95",
    "error_rate": "error_rate",
    "null_output_rate": "null_output_rate",
    "missing_rate": "missing_rate",
}


class FigurePair(NamedTuple):
    """A number now and before; `n` is what it was computed from, bounds are there for rates."""

    value: float | None
    previous: float | None
    n: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """What the overview says about one model."""

    figures: dict[str, FigurePair]
    champion: str | None
    automation_level: str | None
    n_waiting: int
    n_disputed: int
    last_event_at: datetime | None


def load_figures(
    database: Database, eventlog: EventLog, answers: JudgedAnswers, models: Sequence[Any], window: Window
) -> dict[str, ModelFigures]:
    """Figures by model id. Shadow answers are left out: callers never got them."""
    both = Window(window.previous().start, window.end, window.grain_s)
    periods = Window(both.start, both.end, int((window.end - window.start).total_seconds()))
    columns = sorted({name for measure in _SHOWN.values() for name in BY_NAME[measure].ingredients})
    tables = load_cells_of_models(eventlog, models, both, columns)
    ids = [model.id for model in models]
    with database.read() as session:
        rollouts = current_rollouts(session, ids)
        waiting = count_waiting(session, ids)
    found = {}
    for model in models:
        table = tables[model.id]
        rollout = rollouts.get(model.id)
        n_waiting, n_disputed = waiting.get(model.id, (0, 0))
        answered = table.filter(pc.not_equal(table["role"], pa.scalar("shadow")))
        figures = _of_rollups(answered, periods)
        figures["human_ai_agreement"] = _of_people(answers, model, periods)
        found[model.id] = ModelFigures(
            figures=figures,
            champion=rollout.champion if rollout else None,
            automation_level=rollout.automation_level if rollout else None,
            n_waiting=n_waiting,
            n_disputed=n_disputed,
            last_event_at=_last_event(table),
        )
    return found


def _of_rollups(table: pa.Table, periods: Window) -> dict[str, FigurePair]:
    """Each measure as a chart of two buckets: the period before, and now."""
    cells = group_cells(table, periods, None)
    found = {}
    for key, name in _SHOWN.items():
        measure = BY_NAME[name]
        assert isinstance(measure, Measure)
        found[key] = _pair(measure.compute(cells, Moment(periods, periods.end)))
    return found


def _of_people(answers: JudgedAnswers, model: Any, periods: Window) -> FigurePair:
    measure = BY_NAME["human_ai_agreement"]
    assert isinstance(measure, JudgedMeasure)
    return _pair(measure.compute(load_judged(answers, model, measure.against, periods, Selection())))


def _pair(values: Values) -> FigurePair:
    return FigurePair(
        value=_number(values.value, 1),
        previous=_number(values.value, 0),
        n=_number(values.n, 1) or 0.0,
        lower=_number(values.lower, 1),
        upper=_number(values.upper, 1),
    )


def _number(grid: Any, bucket: int) -> float | None:
    if grid is None or np.isnan(grid[0, bucket]):
        return None
    return float(grid[0, bucket])


def _last_event(table: pa.Table) -> datetime | None:
    """The newest bucket with events: exact to the grain, which is all that an overview needs."""
    if not table.num_rows:
        return None
    newest: datetime = pc.max(table["bucket_at"]).as_py()
    return newest.astimezone(UTC)

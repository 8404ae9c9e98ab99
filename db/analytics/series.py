"""A measure over time: picks roll-ups, rows or judged pairs as the source, and fills the lines of one chart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from db.analytics.answers import JudgedAnswers
from db.analytics.catalog import BY_NAME
from db.analytics.cells import group_cells, keep_largest
from db.analytics.door_counts import load_counts
from db.analytics.feedback_rows import with_feedback
from db.analytics.judged_source import load_judged
from db.analytics.measure import AnyMeasure, IngestionMeasure, JudgedMeasure, Measure, Moment, ProcessMeasure
from db.analytics.rollups import load_cells
from db.analytics.rows import scan_cells
from db.analytics.values import Values
from db.analytics.windows import Window
from db.engine import Database
from db.eventlog.filters import Filter

if TYPE_CHECKING:
    from db.eventlog.log import EventLog

#: More lines than this cannot be told apart on a chart.
MAX_LINES = 20
Source = Literal["rollups", "rows", "judged", "ingestion"]


NO_MODEL = "{} belongs to processes and not to a model: ask /v1/processes/series"


class UnusableSelection(ValueError):
    """The split or filter that was asked for does not fit the measure or the model."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a chart is about. `split` is "version", "role" or "segment:<key>"; `where` are free conditions on rows."""

    version: str | None = None
    role: str | None = None
    segments: Mapping[str, str] = field(default_factory=dict)
    split: str | None = None
    where: tuple[Filter, ...] = ()

    @property
    def split_segment(self) -> str | None:
        return self.split.removeprefix("segment:") if self.split and self.split.startswith("segment:") else None

    @property
    def segment_keys(self) -> frozenset[str]:
        """All segment keys that the chart needs to know of."""
        return frozenset(self.segments) | ({self.split_segment} if self.split_segment else frozenset())

    @property
    def fits_rollups(self) -> bool:
        """Roll-ups know one segment key at a time; anything else is read from rows."""
        return not self.where and len(self.segment_keys) <= 1


@dataclass(frozen=True, slots=True)
class Lines:
    """The values of a chart, the same for the period before, and how many lines were left out."""

    values: Values
    previous: Values | None
    n_left_out: int
    source: Source


class Charts:
    """Computes measures from the event log's roll-ups, its rows, and people's decisions."""

    def __init__(self, database: Database, eventlog: EventLog, answers: JudgedAnswers) -> None:
        self.database = database
        self.eventlog = eventlog
        self.answers = answers

    def lines(
        self, model: Any, measure: AnyMeasure, window: Window, selection: Selection, now: datetime, *, previous: bool
    ) -> Lines:
        """The lines of one chart; with `previous` also those of the period before, matched by name."""
        check_selection(model, measure, selection)
        values, n_left_out, source = self._values(model, measure, window, selection, now)
        before = None
        if previous:
            found, _, _ = self._values(model, measure, window.previous(), selection, now)
            before = _matched(found, values)
        return Lines(values, before, n_left_out, source)

    def _values(
        self, model: Any, measure: AnyMeasure, window: Window, selection: Selection, now: datetime
    ) -> tuple[Values, int, Source]:
        if isinstance(measure, JudgedMeasure):
            pairs = load_judged(self.answers, model, measure.against, window, selection)
            return *_largest(measure.compute(pairs)), "judged"
        if isinstance(measure, IngestionMeasure):
            counts = load_counts(self.database, model.name, window)
            return *_largest(measure.compute(counts, window.n_buckets)), "ingestion"
        if isinstance(measure, ProcessMeasure):
            raise UnusableSelection(NO_MODEL.format(measure.name))
        source: Source = "rollups" if selection.fits_rollups else "rows"
        if source == "rollups":
            table = load_cells(self.eventlog, model, window, selection, measure.ingredients)
        else:
            table = scan_cells(self.eventlog, model, window, selection, measure.ingredients)
            if measure.group == "feedback":
                table = with_feedback(self.eventlog, table, model, window, selection)
        split = "segment_value" if selection.split_segment else selection.split
        cells = group_cells(table, window, split)
        kept = keep_largest(cells, MAX_LINES)
        values = measure.compute(kept, Moment(window, now))
        if measure.dimension is not None and measure.chart != "heatmap":
            return *_largest(values), source
        return values, len(cells.series) - len(kept.series), source


def series(charts: Charts, model: Any, name: str, window: Window, selection: Selection, now: datetime) -> pa.Table:
    """A measure as a long table: bucket_at, series, value, n, lower, upper; undefined values are null."""
    values = charts.lines(model, BY_NAME[name], window, selection, now, previous=False).values
    n_buckets = window.n_buckets
    columns: dict[str, Any] = {
        "bucket_at": pa.array(window.bucket_starts * len(values.series), pa.timestamp("us", tz="UTC")),
        "series": pa.array([name for name in values.series for _ in range(n_buckets)], pa.string()),
    }
    for column in ("value", "n", "lower", "upper"):
        grid = getattr(values, column)
        flat = np.full(len(values.series) * n_buckets, np.nan) if grid is None else grid.reshape(-1)
        columns[column] = pa.array(flat, pa.float64(), from_pandas=True)
    return pa.table(columns)


def check_selection(model: Any, measure: AnyMeasure, selection: Selection) -> None:
    """Raise UnusableSelection when split, segments or conditions make no sense for this measure and model."""
    if isinstance(measure, ProcessMeasure):
        raise UnusableSelection(NO_MODEL.format(measure.name))
    unknown = selection.segment_keys - set(model.segment_keys or ())
    if unknown:
        raise UnusableSelection(f"this model has no segment key {sorted(unknown)[0]!r}")
    if selection.split not in (None, "version", "role") and not selection.split_segment:
        raise UnusableSelection("split by version, role or segment:<key>")
    if selection.split and measure.dimension is not None:
        raise UnusableSelection(f"{measure.name} has one line per {measure.dimension} already")
    if isinstance(measure, IngestionMeasure) and (selection != Selection()):
        raise UnusableSelection(f"{measure.name} counts what came to the door: it knows no version, role or segment")
    if selection.where and isinstance(measure, JudgedMeasure):
        raise UnusableSelection(f"{measure.name} takes no free conditions")
    if isinstance(measure, Measure) and selection.where and not measure.ingredients:
        raise UnusableSelection(f"{measure.name} takes no free conditions")


def _matched(found: Values, wanted: Values) -> Values:
    """The lines of `found` in the order of `wanted`; a line that did not exist before is all gaps."""
    place = {name: number for number, name in enumerate(found.series)}
    chosen = [place.get(name, -1) for name in wanted.series]

    def pick(grid: Any, nothing: float) -> Any:
        if grid is None:
            return None
        rows = [grid[number] if number >= 0 else np.full(grid.shape[1], nothing) for number in chosen]
        return np.array(rows).reshape(len(chosen), wanted.value.shape[1])

    return Values(
        wanted.series,
        pick(found.value, np.nan),
        pick(found.n, 0.0),
        pick(found.lower, np.nan),
        pick(found.upper, np.nan),
    )


def _largest(values: Values) -> tuple[Values, int]:
    """The lines that matter most when there are too many: by the sum of value x n."""
    if len(values.series) <= MAX_LINES:
        return values, 0
    weight = np.nansum(values.value * values.n, axis=1)
    chosen = np.argsort(-weight, kind="stable")[:MAX_LINES]
    grids = [None if grid is None else grid[chosen] for grid in (values.value, values.n, values.lower, values.upper)]
    value, n, lower, upper = grids
    assert value is not None
    assert n is not None
    names = tuple(values.series[number] for number in chosen)
    return Values(names, value, n, lower, upper), len(values.series) - MAX_LINES

"""Many measures over many sliding windows at once, for alert rules: roll-up cells are loaded once for all that need
them, and one computation covers all models that are asked the same thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from db.analytics.catalog import BY_NAME
from db.analytics.judged_source import load_judged
from db.analytics.measure import JudgedMeasure, Measure, Moment
from db.analytics.series import Charts, Selection
from db.analytics.sliding import Steps, place_cells, slide_pairs
from db.analytics.values import Values
from db.analytics.windows import Window

if TYPE_CHECKING:
    from db.eventlog.log import EventLog

#: The name of the only series of something that is not split.
WHOLE = ""
#: Windows of a measure that has neither roll-ups nor judged pairs are computed one by one, up to this many.
_MAX_SINGLE = 400


class Unanswerable(ValueError):
    """The measure cannot be had for what was asked."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A measure of one model over sliding windows. `each`: "" (one series), "version" or "segment:<key>"."""

    model_id: str
    measure: str
    steps: Steps
    version: str | None = None
    segment: tuple[str, str] | None = None
    each: str = ""

    @property
    def segment_key(self) -> str:
        if self.segment is not None:
            return self.segment[0]
        return self.each.removeprefix("segment:") if self.each.startswith("segment:") else ""

    @property
    def same(self) -> tuple[Any, ...]:
        """Asks with the same one are answered by one computation."""
        return self.measure, self.steps, self.version, self.segment, self.each


Answers = dict[Ask, Values | Exception]


class Watcher:
    """Answers asks from one process's event log and judged answers."""

    def __init__(self, charts: Charts) -> None:
        self._charts = charts
        self._eventlog: EventLog = charts.eventlog

    def read(self, asks: Iterable[Ask], models: Mapping[str, Any], now: datetime) -> Answers:
        """The values of each ask: series x windows. An ask that fails is answered by its exception, alone.

        `models` are the model rows by id. Shadow answers are left out, unless a version is named or versions are told
        apart: callers never got them.
        """
        wanted = list(dict.fromkeys(asks))
        found: Answers = {}
        summed = [ask for ask in wanted if _is_summed(ask)]
        stores = self._load(summed)
        groups: dict[tuple[Any, ...], list[Ask]] = {}
        for ask in summed:
            alone = (ask.model_id,) if BY_NAME[ask.measure].dimension is not None else ()
            groups.setdefault((*ask.same, *alone), []).append(ask)
        for group in groups.values():
            found |= self._answer(group, stores, now)
        for ask in wanted:
            if not _is_summed(ask):
                found[ask] = self._alone(ask, models, now)
        return found

    def _load(self, asks: Sequence[Ask]) -> dict[tuple[int, str], _Store]:
        """Roll-up cells by stored grain and segment key, each read once."""
        needs: dict[tuple[int, str], list[Ask]] = {}
        for ask in asks:
            needs.setdefault((ask.steps.stored_grain_s, ask.segment_key), []).append(ask)
        found = {}
        for (grain_s, segment_key), mine in needs.items():
            columns = sorted({name for ask in mine for name in BY_NAME[ask.measure].ingredients} | {"n_events"})
            bases = {ask.steps: ask.steps.base for ask in mine}.values()
            table = self._eventlog.rollup_cells_of_models(
                sorted({ask.model_id for ask in mine}),
                grain_s,
                join_ranges([(base.start, base.end) for base in bases]),
                segment_key,
                columns=columns,
            )
            found[grain_s, segment_key] = _Store(table)
        return found

    def _answer(self, group: Sequence[Ask], stores: Mapping[tuple[int, str], _Store], now: datetime) -> Answers:
        """One computation for all models of a group; when it fails, each model by itself finds out which one does."""
        try:
            return _compute(group, stores[group[0].steps.stored_grain_s, group[0].segment_key], now)
        except Exception as error:  # noqa: BLE001 - the rule that fails is told of; the others must go on
            if len(group) == 1:
                return {group[0]: error}
        found: Answers = {}
        for ask in group:
            found |= self._answer([ask], stores, now)
        return found

    def _alone(self, ask: Ask, models: Mapping[str, Any], now: datetime) -> Values | Exception:
        try:
            measure, model = BY_NAME.get(ask.measure), models[ask.model_id]
            if measure is None:
                raise Unanswerable(f"there is no measure {ask.measure!r}")
            split = ask.each or None
            selection = Selection(ask.version, None, dict([ask.segment] if ask.segment else []), split)
            if isinstance(measure, JudgedMeasure):
                pairs = load_judged(self._charts.answers, model, measure.against, ask.steps.base, selection)
                return measure.compute(slide_pairs(pairs, ask.steps))
            return self._one_by_one(ask, measure, model, selection, now)
        except Exception as error:  # noqa: BLE001 - as above
            return error

    def _one_by_one(self, ask: Ask, measure: Any, model: Any, selection: Selection, now: datetime) -> Values:
        """A measure of another source, as a chart of one bucket for every window."""
        steps = ask.steps
        if steps.per_window == 1:
            return self._charts.lines(model, measure, steps.base, selection, now, previous=False).values
        if steps.n > _MAX_SINGLE:
            raise Unanswerable(f"{ask.measure} cannot be looked at {steps.n} times: look less often")
        width = timedelta(seconds=steps.width_s)
        parts = [
            self._charts.lines(
                model, measure, Window(end - width, end, steps.width_s), selection, now, previous=False
            ).values
            for end in steps.ends
        ]
        return _beside(parts)


class _Store:
    """Loaded cells with their keys as codes, so that a selection is a comparison of numbers."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.at_us: npt.NDArray[np.int64] = (
            table["bucket_at"].cast(pa.int64()).to_numpy() if table.num_rows else np.zeros(0, dtype=np.int64)
        )
        self.columns = {name: _coded(table[name]) for name in ("model_id", "version", "role", "segment_value")}

    def is_equal(self, column: str, value: str) -> npt.NDArray[np.bool_]:
        codes, names = self.columns[column]
        found: npt.NDArray[np.bool_] = codes == names.get(value, -1)
        return found

    def is_one_of(self, column: str, values: Iterable[str]) -> npt.NDArray[np.bool_]:
        codes, names = self.columns[column]
        return np.isin(codes, [names[value] for value in values if value in names])


def _coded(column: Any) -> tuple[npt.NDArray[np.int64], dict[str, int]]:
    flat = column.combine_chunks().dictionary_encode()
    if isinstance(flat, pa.ChunkedArray):
        flat = flat.combine_chunks()
    names = flat.dictionary.to_pylist()
    return flat.indices.to_numpy(zero_copy_only=False).astype(np.int64), {name: code for code, name in enumerate(names)}


def _compute(group: Sequence[Ask], store: _Store, now: datetime) -> Answers:
    first, measure = group[0], BY_NAME[group[0].measure]
    assert isinstance(measure, Measure)
    steps, base = first.steps, first.steps.base
    kept = (store.at_us >= base.start.timestamp() * 1e6) & (store.at_us < base.end.timestamp() * 1e6)
    kept &= store.is_one_of("model_id", [ask.model_id for ask in group])
    if first.version is not None:
        kept &= store.is_equal("version", first.version)
    elif first.each != "version":
        kept &= ~store.is_equal("role", "shadow")
    if first.segment is not None:
        kept &= store.is_equal("segment_value", first.segment[1])
    elif first.each.startswith("segment:"):
        kept &= ~store.is_equal("segment_value", "")
    table = store.table.filter(pa.array(kept))
    split = "version" if first.each == "version" else "segment_value" if first.each else None
    models = table["model_id"].to_pylist()
    keys = list(zip(models, table[split].to_pylist() if split else [WHOLE] * len(models), strict=True))
    series = [(ask.model_id, WHOLE) for ask in group] if not split else sorted(set(keys))
    values = measure.compute(place_cells(table, keys, series, steps), Moment(steps.window, now))
    if measure.dimension is not None:
        return {first: values}
    places: dict[str, list[int]] = {ask.model_id: [] for ask in group}
    for place, (model_id, _) in enumerate(series):
        places[model_id].append(place)
    return {ask: _pick(values, places[ask.model_id], [series[at][1] for at in places[ask.model_id]]) for ask in group}


def _pick(values: Values, places: Sequence[int], names: Sequence[str]) -> Values:
    def rows(grid: Any) -> Any:
        return None if grid is None else grid[list(places)]

    return Values(tuple(names), rows(values.value), rows(values.n), rows(values.lower), rows(values.upper))


def _beside(parts: Sequence[Values]) -> Values:
    """Charts of one bucket each, put beside each other by the names of their series."""
    names = sorted({name for part in parts for name in part.series})

    def grid(pick: Any, nothing: float) -> Any:
        made = np.full((len(names), len(parts)), nothing)
        for column, part in enumerate(parts):
            found = pick(part)
            for row, name in enumerate(part.series):
                made[names.index(name), column] = nothing if found is None else found[row, 0]
        return made

    has_bounds = any(part.lower is not None for part in parts)
    bounds = (
        [grid(lambda part: part.lower, np.nan), grid(lambda part: part.upper, np.nan)] if has_bounds else [None] * 2
    )
    return Values(tuple(names), grid(lambda part: part.value, np.nan), grid(lambda part: part.n, 0.0), *bounds)


def _is_summed(ask: Ask) -> bool:
    measure = BY_NAME.get(ask.measure)
    return isinstance(measure, Measure) and measure.source == "rollups"


def join_ranges(ranges: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The same times without overlaps, in order."""
    joined: list[tuple[datetime, datetime]] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined

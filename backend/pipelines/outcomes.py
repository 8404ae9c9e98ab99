"""From the answers of the steps to what blame compares: features of every hand-over, and the end result. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from backend.pipelines.blame import Period
from backend.pipelines.strata import Ints, Reals

#: Values of a text input and labels that get a feature of their own; of rarer ones only the length is known.
MAX_VALUES: Final = 12
#: Latencies count up to this quantile of both periods together, so that one hung request does not decide.
CLIP_AT: Final = 0.995

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Traces:
    """The traces of both periods, reference first: the step tables (db.analytics.traces.read_answers) laid side by side
    in the order of `ids`; a step that a trace did not reach is a row of nulls."""

    ids: pa.Array
    n_reference: int
    steps: tuple[pa.Table, ...]
    is_absent: tuple[Flags, ...]

    @property
    def n(self) -> int:
        return len(self.ids)

    @property
    def end(self) -> pa.Table:
        return self.steps[-1]

    @property
    def subjects(self) -> list[str | None]:
        """What each trace is about: the first subject that a step names, the last step asked first."""
        found = pc.coalesce(*(table["subject_id"] for table in reversed(self.steps)))
        subjects: list[str | None] = found.to_pylist()
        return subjects


def lay_out(reference: Sequence[pa.Table], current: Sequence[pa.Table]) -> Traces:
    """Both periods' step tables as one; a trace belongs to the period in which its first step happened.

    A trace id that occurs in both periods counts in the reference only.
    """
    ids = pa.concat_arrays([_column(tables[0], "trace_id") for tables in (reference, current)])
    n_reference = reference[0].num_rows
    is_new = pc.invert(pc.is_in(ids.slice(n_reference), value_set=ids.slice(0, n_reference)))
    ids = pa.concat_arrays([ids.slice(0, n_reference), ids.slice(n_reference).filter(is_new)])
    steps, absent = [], []
    for before, now in zip(reference, current, strict=True):
        both = pa.concat_tables([before, now], promote_options="permissive")
        place = pc.index_in(ids, value_set=_column(both, "trace_id"))
        steps.append(both.take(place))
        absent.append(_flags(pc.is_null(place)))
    return Traces(ids, n_reference, tuple(steps), tuple(absent))


def hand_overs(traces: Traces) -> tuple[Reals, ...]:
    """What is known of each trace before each step acts (traces x features), later ones including the earlier."""
    found: list[Reals] = []
    known: list[Reals] = []
    for place, table in enumerate(traces.steps):
        if place:
            known += _answer(traces.steps[place - 1], traces.is_absent[place - 1])
        known += _inputs(table)
        found.append(np.column_stack(known) if known else np.zeros((traces.n, 0)))
    return tuple(found)


def kinds(traces: Traces) -> tuple[Ints, ...]:
    """What kind of hand-over each step got: an answer (0), a failure (1), no answer (2), or nothing (3)."""
    found = [np.zeros(traces.n, dtype=np.int64)]
    for table, is_absent in zip(traces.steps[:-1], traces.is_absent[:-1], strict=True):
        is_null = _number(table["is_null_output"]) == 1.0
        found.append(np.select([is_absent, is_null, _is_failed(table) == 1.0], [3, 2, 1], 0))
    return tuple(found)


def no_answer(traces: Traces) -> Reals:
    """1 where the last step gave no answer, or was not reached."""
    return np.where(traces.is_absent[-1], 1.0, _number(traces.end["is_null_output"]) == 1.0)


def failed(traces: Traces) -> Reals:
    """1 where a step failed or timed out."""
    found: Reals = np.max([_is_failed(table) for table in traces.steps], axis=0)
    return found


def says(traces: Traces, label: str) -> Reals:
    """1 where the end result is this label; no answer is none."""
    return np.nan_to_num(_number(pc.equal(traces.end["prediction"], pa.scalar(label))))


def differs(traces: Traces, labels: Mapping[str, str]) -> tuple[Reals, Flags]:
    """1 where the end result is not the label of the trace's subject (no answer is not right), and which traces have
    such a label."""
    wanted = [labels.get(subject) if subject is not None else None for subject in traces.subjects]
    is_known = np.array([label is not None for label in wanted], dtype=bool)
    said = traces.end["prediction"].to_pylist()
    is_null = no_answer(traces) == 1.0
    is_other = np.array([a != b for a, b in zip(said, wanted, strict=True)], dtype=bool)
    return (is_other | is_null).astype(np.float64), is_known


def latencies(traces: Traces) -> tuple[Reals, ...]:
    """Milliseconds that each step took in each trace; 0 where it was not reached or told no time."""
    found = []
    for table in traces.steps:
        taken = np.nan_to_num(_number(table["latency_ms"]))
        found.append(np.minimum(taken, np.quantile(taken, CLIP_AT)) if len(taken) else taken)
    return tuple(found)


def common_labels(traces: Traces, limit: int) -> list[str]:
    """The labels of the end result whose share differs most between the periods."""
    said = _column(traces.end, "prediction")
    counts = [
        dict(zip(*(part.to_pylist() for part in pc.value_counts(half.drop_null()).flatten()), strict=True))
        for half in (said.slice(0, traces.n_reference), said.slice(traces.n_reference))
    ]
    n = (max(1, traces.n_reference), max(1, traces.n - traces.n_reference))
    names = [name for name in {*counts[0], *counts[1]} if name]
    change = {name: abs(counts[1].get(name, 0) / n[1] - counts[0].get(name, 0) / n[0]) for name in names}
    return sorted(names, key=lambda name: (-change[name], name))[:limit]


def periods(
    traces: Traces,
    features: Sequence[Reals],
    given: Sequence[Ints],
    rewards: Sequence[Reals],
    chosen: Flags | None = None,
    weight: Reals | None = None,
) -> tuple[Period, Period]:
    """The two periods for `blame`; a single reward is what the end of the trace is worth."""
    whole = [*(np.zeros(traces.n) for _ in range(len(features) - len(rewards))), *rewards]
    is_chosen = np.ones(traces.n, dtype=bool) if chosen is None else chosen
    weights = np.ones(traces.n) if weight is None else weight
    made = []
    for half in (slice(None, traces.n_reference), slice(traces.n_reference, None)):
        rows = np.flatnonzero(is_chosen[half]) + (half.start or 0)
        known, worth = (tuple(one[rows] for one in columns) for columns in (features, whole))
        made.append(Period(known, worth, weights[rows], tuple(one[rows] for one in given)))
    return made[0], made[1]


def _inputs(table: pa.Table) -> list[Reals]:
    found: list[Reals] = []
    for name in table.schema.names:
        if name.startswith("in_"):
            found += _feature(table[name])
    return found


def _answer(table: pa.Table, is_absent: Flags) -> list[Reals]:
    """What a step hands over: whether it answered at all, its answer, its score and its metrics."""
    found = [is_absent.astype(np.float64), _is_failed(table), _number(table["is_null_output"])]
    numbers = _number(table["prediction_number"])
    found += [numbers] if np.isfinite(numbers).any() else _feature(table["prediction"])
    found.append(_number(table["score"]))
    found += [_number(table[name]) for name in table.schema.names if name.startswith("metric_")]
    return found


def _feature(column: pa.ChunkedArray) -> list[Reals]:
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        return [_number(column)]
    if not pa.types.is_string(column.type):
        return []
    found = [_number(pc.utf8_length(column))]
    counts = pc.value_counts(column.drop_null()).to_pylist()
    common = sorted(counts, key=lambda item: (-item["counts"], item["values"]))[:MAX_VALUES]
    return found + [_number(pc.equal(column, pa.scalar(item["values"]))) for item in common if item["counts"] > 1]


def _is_failed(table: pa.Table) -> Reals:
    found: Reals = (_number(pc.not_equal(table["status"], pa.scalar("ok"))) == 1.0).astype(np.float64)
    return found


def _number(column: pa.ChunkedArray | pa.Array) -> Reals:
    """A column as doubles, NaN where it is null."""
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(pc.cast(flat, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _column(table: pa.Table, name: str) -> pa.Array:
    column = table[name]
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _flags(mask: pa.Array) -> Flags:
    return np.asarray(mask.to_numpy(zero_copy_only=False), dtype=bool)

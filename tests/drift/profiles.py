"""From plain columns to verdicts, without a database: what the tests of the rules share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from backend.drift.verdicts import FeatureVerdict, Grid, Rules, judge_grid, judge_window
from backend.drift.windows import shape_of
from db.eventlog.feature_profile import Profile, count_table, make_profile

RULES = Rules(alpha=1 / 720)


def as_table(columns: Mapping[str, Any] | pa.Table) -> pa.Table:
    """Columns as an Arrow table; NaN is null."""
    if isinstance(columns, pa.Table):
        return columns
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})


def judge(
    reference: Mapping[str, Any] | pa.Table, current: Mapping[str, Any] | pa.Table, rules: Rules = RULES
) -> dict[str, FeatureVerdict]:
    """The verdict on every column."""
    table = as_table(reference)
    profile = make_profile(table, table.schema.names)
    counts = count_table(profile, as_table(current))[0]
    shapes = [shape_of(bins) for bins in profile.features]
    places = range(len(shapes))
    found = judge_window(
        shapes,
        [profile.part(profile.counts, place) for place in places],
        [profile.part(counts, place) for place in places],
        rules,
    )
    return {one.feature: one for one in found}


def judge_many(profile: Profile, current: pa.Table, cell: Any, n_cells: int, rules: Rules) -> Grid:
    """The verdicts on many windows; `cell` is the window of each row."""
    counts = count_table(profile, current, np.asarray(cell, dtype=np.int64), n_cells)
    places = range(len(profile.features))
    return judge_grid(
        [shape_of(bins) for bins in profile.features],
        [profile.part(profile.counts, place) for place in places],
        [profile.part(counts, place) for place in places],
        rules,
    )

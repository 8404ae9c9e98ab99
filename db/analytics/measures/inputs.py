"""Missing inputs: over all fields, over requests, and field by field."""

from __future__ import annotations

from db.analytics.cells import Cells
from db.analytics.measure import Measure, Moment
from db.analytics.values import Values, rate, stack


def _missing_rate(cells: Cells, _: Moment) -> Values:
    return rate(cells.series, cells.total("n_missing_fields"), cells.total("n_fields"))


def _incomplete_rate(cells: Cells, _: Moment) -> Values:
    return rate(cells.series, cells.total("n_with_missing"), cells.total("n_events"))


def _missing_rate_by_field(cells: Cells, _: Moment) -> Values:
    series, hits = stack(cells.maps("missing"), cells.shape)
    n = cells.total("n_events").sum(axis=0, keepdims=True)
    return rate(series, hits, n.repeat(len(series), axis=0))


MEASURES = (
    Measure("missing_rate", "input", "share", "up", "line", ("n_missing_fields", "n_fields"), _missing_rate),
    Measure("incomplete_rate", "input", "share", "up", "line", ("n_with_missing", "n_events"), _incomplete_rate),
    Measure(
        "missing_rate_by_field", "input", "share", "up", "line", ("counts", "n_events"), _missing_rate_by_field, "field"
    ),
)

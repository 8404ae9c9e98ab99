"""Values outside of what the model's inputs declare: beyond the range, or of a category that is not listed."""

from __future__ import annotations

from collections.abc import Callable

from db.analytics.cells import Cells
from db.analytics.measure import Measure, Moment
from db.analytics.values import Values, rate, stack


def _by_field(kind: str) -> Callable[[Cells, Moment], Values]:
    def compute(cells: Cells, _: Moment) -> Values:
        series, hits = stack(cells.maps(kind), cells.shape)
        n = cells.total("n_events").sum(axis=0, keepdims=True)
        return rate(series, hits, n.repeat(len(series), axis=0))

    return compute


_INGREDIENTS = ("counts", "n_events")
MEASURES = (
    Measure("out_of_range_rate", "input", "share", "up", "line", _INGREDIENTS, _by_field("out_of_range"), "field"),
    Measure("unseen_category_rate", "input", "share", "up", "line", _INGREDIENTS, _by_field("unseen"), "field"),
)

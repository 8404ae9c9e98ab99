"""How often a shadow version gave the champion's answer; known when it is logged, because it carries both."""

from __future__ import annotations

from db.analytics.cells import Cells
from db.analytics.measure import Measure, Moment
from db.analytics.values import Values, rate


def _old_new_agreement(cells: Cells, _: Moment) -> Values:
    return rate(cells.series, cells.total("n_agreed"), cells.total("n_pairs"))


MEASURES = (
    Measure("old_new_agreement", "agreement", "share", "down", "line", ("n_agreed", "n_pairs"), _old_new_agreement),
)

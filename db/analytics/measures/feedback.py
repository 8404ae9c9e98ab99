"""What was told later about predictions: the user searched again, clicked, overrode. By the time of the prediction."""

from __future__ import annotations

from db.analytics.cells import Cells
from db.analytics.measure import Measure, Moment
from db.analytics.numbers import NUMBERS, means_by_name
from db.analytics.values import Values, rate, stack


def _feedback_rate(cells: Cells, _: Moment) -> Values:
    """Predictions with at least one signal of a name, of all predictions: signals without a click count too."""
    series, hits = stack(cells.maps("feedback"), cells.shape)
    n = cells.total("n_events").sum(axis=0, keepdims=True)
    return rate(series, hits, n.repeat(len(series), axis=0))


MEASURES = (
    Measure("feedback_rate", "feedback", "share", "none", "line", ("counts", "n_events"), _feedback_rate, "signal"),
    Measure("feedback_value", "feedback", "number", "none", "line", NUMBERS, means_by_name("feedback:"), "signal"),
)

"""How many predictions were made: count per bucket and rate per second."""

from __future__ import annotations

import numpy as np

from db.analytics.cells import Cells
from db.analytics.measure import Measure, Moment
from db.analytics.values import Values, ratio


def _requests(cells: Cells, moment: Moment) -> Values:
    n = cells.total("n_events")
    elapsed = np.broadcast_to(moment.window.elapsed_s(moment.now), n.shape)
    return Values(cells.series, np.where((elapsed > 0) | (n > 0), n, np.nan), n)


def _throughput(cells: Cells, moment: Moment) -> Values:
    """A running bucket is divided by the part of it that has passed, so the last point does not dip."""
    n = cells.total("n_events")
    elapsed = np.broadcast_to(moment.window.elapsed_s(moment.now), n.shape)
    return Values(cells.series, ratio(n, elapsed), n)


MEASURES = (
    Measure("requests", "software", "count", "none", "area", ("n_events",), _requests),
    Measure("throughput", "software", "per_second", "none", "line", ("n_events",), _throughput),
)

"""How often the answer came from the cache."""

from __future__ import annotations

from db.analytics.cells import Cells
from db.analytics.measure import Measure, Moment
from db.analytics.values import Values, rate


def _cache_hit_rate(cells: Cells, _: Moment) -> Values:
    return rate(cells.series, cells.total("n_cached"), cells.total("n_events"))


MEASURES = (Measure("cache_hit_rate", "software", "share", "down", "line", ("n_cached", "n_events"), _cache_hit_rate),)

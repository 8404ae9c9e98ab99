"""How sure the model is: percentiles of the score, all scores as a heat map, and the entropy of whole distributions."""

from __future__ import annotations

import numpy as np

from db.analytics.cells import Cells
from db.analytics.measure import Measure, Moment
from db.analytics.measures.latency import banded
from db.analytics.numbers import NUMBERS, mean_of, percentiles_of
from db.analytics.values import Values
from db.eventlog.numbers import value_of

_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Upper ends of the heat map's bands; larger scores share one band more.
_BANDS = [round(step / 20, 2) for step in range(1, 21)]


def _score_percentiles(cells: Cells, _: Moment) -> Values:
    """One line per percentile, over everything that was selected."""
    n, _total, histogram = cells.number("score")
    found = percentiles_of(histogram, cells.shape, _SHARES)
    values = np.concatenate([found[share] for share in _SHARES])
    return Values(tuple(f"p{round(share * 100)}" for share in _SHARES), values, n.repeat(len(_SHARES), axis=0))


def _score_heatmap(cells: Cells, _: Moment) -> Values:
    _n, _total, histogram = cells.number("score")
    return banded(histogram, cells.n_buckets, _BANDS, value_of)


MEASURES = (
    Measure("score_percentiles", "output", "score", "none", "line", NUMBERS, _score_percentiles, "percentile"),
    Measure("score_heatmap", "output", "count", "none", "heatmap", NUMBERS, _score_heatmap, "band_score"),
    Measure("mean_entropy", "output", "nats", "up", "line", NUMBERS, mean_of("entropy")),
)

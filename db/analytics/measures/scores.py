"""How sure the model is: percentiles of the score, all scores as a heat map, and the entropy of whole distributions."""

from __future__ import annotations

from db.analytics.cells import Cells
from db.analytics.measure import Measure, Moment
from db.analytics.measures.latency import banded
from db.analytics.numbers import NUMBERS, mean_of, percentile_lines
from db.analytics.values import Values
from db.eventlog.numbers import value_of

#: Upper ends of the heat map's bands; larger scores share one band more.
_BANDS = [round(step / 20, 2) for step in range(1, 21)]


def _score_heatmap(cells: Cells, _: Moment) -> Values:
    _n, _total, histogram = cells.number("score")
    return banded(histogram, cells.n_buckets, _BANDS, value_of)


MEASURES = (
    Measure("score_percentiles", "output", "score", "none", "line", NUMBERS, percentile_lines("score"), "percentile"),
    Measure("score_heatmap", "output", "count", "none", "heatmap", NUMBERS, _score_heatmap, "band_score"),
    Measure("answer_mean", "output", "number", "none", "line", NUMBERS, mean_of("answer")),
    Measure(
        "answer_percentiles", "output", "number", "none", "line", NUMBERS, percentile_lines("answer"), "percentile"
    ),
    Measure("mean_entropy", "output", "nats", "up", "line", NUMBERS, mean_of("entropy")),
)

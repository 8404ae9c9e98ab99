"""What the model answers: nothing at all, which labels, and how sure it is."""

from __future__ import annotations

from db.analytics.cells import Cells
from db.analytics.measure import Measure, Moment
from db.analytics.values import Values, rate, ratio, stack


def _null_output_rate(cells: Cells, _: Moment) -> Values:
    return rate(cells.series, cells.total("n_null_outputs"), cells.total("n_events"))


def _label_shares(cells: Cells, _: Moment) -> Values:
    series, hits = stack(cells.maps("labels"), cells.shape)
    n = hits.sum(axis=0, keepdims=True)
    return rate(series, hits, n.repeat(len(series), axis=0))


def _mean_score(cells: Cells, _: Moment) -> Values:
    n = cells.total("n_scored")
    return Values(cells.series, ratio(cells.total("score_sum"), n), n)


MEASURES = (
    Measure("null_output_rate", "output", "share", "up", "line", ("n_null_outputs", "n_events"), _null_output_rate),
    Measure("label_shares", "output", "share", "none", "stacked", ("counts",), _label_shares, "label"),
    Measure("mean_score", "output", "score", "down", "line", ("score_sum", "n_scored"), _mean_score),
)

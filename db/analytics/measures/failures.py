"""Requests that failed: all kinds together, each kind, and time-outs alone."""

from __future__ import annotations

from db.analytics.cells import Cells
from db.analytics.measure import Measure, Moment
from db.analytics.values import Values, rate, stack


def _error_rate(cells: Cells, _: Moment) -> Values:
    """Errors and time-outs together; a rejected request is the caller's mistake and counts in the kinds only."""
    return rate(cells.series, cells.total("n_errors") + cells.total("n_timeouts"), cells.total("n_events"))


def _timeout_rate(cells: Cells, _: Moment) -> Values:
    return rate(cells.series, cells.total("n_timeouts"), cells.total("n_events"))


def _error_rate_by_kind(cells: Cells, _: Moment) -> Values:
    series, hits = stack(cells.maps("errors"), cells.shape)
    n = cells.total("n_events").sum(axis=0, keepdims=True)
    return rate(series, hits, n.repeat(len(series), axis=0))


MEASURES = (
    Measure("error_rate", "software", "share", "up", "line", ("n_errors", "n_timeouts", "n_events"), _error_rate),
    Measure(
        "error_rate_by_kind", "software", "share", "up", "stacked", ("counts", "n_events"), _error_rate_by_kind, "kind"
    ),
    Measure("timeout_rate", "software", "share", "up", "line", ("n_timeouts", "n_events"), _timeout_rate),
)

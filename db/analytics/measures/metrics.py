"""Numbers that the caller sends along in `metrics`: one line per metric."""

from __future__ import annotations

from db.analytics.measure import Measure
from db.analytics.numbers import NUMBERS, means_by_name, percentile_by_name

MEASURES = (
    Measure("metric_mean", "metric", "number", "none", "line", NUMBERS, means_by_name("metric:"), "metric"),
    Measure("metric_p50", "metric", "number", "none", "line", NUMBERS, percentile_by_name("metric:", 0.5), "metric"),
    Measure("metric_p95", "metric", "number", "none", "line", NUMBERS, percentile_by_name("metric:", 0.95), "metric"),
)

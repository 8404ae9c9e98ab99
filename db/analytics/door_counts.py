"""What came to the logging door under a model's name, per bucket and reason, for measures of refused rows."""

from __future__ import annotations

import numpy as np

from db.analytics.cells import Grid
from db.analytics.windows import Window
from db.engine import Database
from db.repositories.ingestion_health import sum_counts


def load_counts(database: Database, model_name: str, window: Window) -> dict[str, Grid]:
    """Rows per reason ("accepted", "duplicate", or why they were refused): grids of one series."""
    with database.read() as session:
        rows = sum_counts(session, window.start, window.end, window.grain_s, [model_name])
    found: dict[str, Grid] = {}
    for bucket, _, reason, n in rows:
        if 0 <= bucket < window.n_buckets:
            found.setdefault(reason, np.zeros((1, window.n_buckets)))[0, bucket] += n
    return found

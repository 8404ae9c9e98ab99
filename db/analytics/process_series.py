"""Measures of processes over time: one line per process."""

from __future__ import annotations

import numpy as np

from db.analytics.measure import ProcessMeasure
from db.analytics.values import Values
from db.analytics.windows import Window
from db.engine import Database
from db.repositories.process_samples import sum_samples


def process_lines(database: Database, measure: ProcessMeasure, window: Window) -> Values:
    """The measure in every bucket; a bucket without a sample is a gap, `n` is the number of samples."""
    with database.read() as session:
        rows = sum_samples(session, window.start, window.end, window.grain_s, measure.column, measure.how)
    names = tuple(sorted({name for _, name, _, _ in rows}))
    value = np.full((len(names), window.n_buckets), np.nan)
    n = np.zeros((len(names), window.n_buckets))
    for bucket, name, figure, n_samples in rows:
        if 0 <= bucket < window.n_buckets:
            value[names.index(name), bucket] = figure
            n[names.index(name), bucket] = n_samples
    return Values(names, value, n)

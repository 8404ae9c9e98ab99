"""Rates on grids against the scalar rule."""

from __future__ import annotations

import numpy as np
import pytest

from db.analytics.values import rate
from review.rules.intervals import wilson


def test_rate_grid_has_the_bounds_of_the_scalar_interval() -> None:
    hits = np.array([[0.0, 45, 50, 3, 1]])
    n = np.array([[10.0, 50, 50, 1000, 3]])
    found = rate(("",), hits, n)
    for column in range(hits.shape[1]):
        low, high = wilson(int(hits[0, column]), int(n[0, column]))
        assert found.lower[0, column] == pytest.approx(low, abs=1e-12)
        assert found.upper[0, column] == pytest.approx(high, abs=1e-12)


def test_rate_of_nothing_is_undefined() -> None:
    found = rate(("",), np.zeros((1, 2)), np.zeros((1, 2)))
    assert np.isnan(found.value).all()
    assert np.isnan(found.lower).all()
    assert np.isnan(found.upper).all()

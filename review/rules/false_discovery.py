"""Many tests at once: Benjamini-Hochberg. Pure; used wherever a list of findings is shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values (q): reporting all with q <= x keeps the expected share of false findings at x.

    Benjamini and Hochberg, JRSS B 57 (1995) 289.

    >>> [round(q, 4) for q in benjamini_hochberg([0.001, 0.008, 0.039, 0.041, 0.042])]
    [0.005, 0.02, 0.042, 0.042, 0.042]
    """
    p = np.asarray(p_values, dtype=float)
    if not p.size:
        return []
    order = np.argsort(p)
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    falling = np.minimum.accumulate(scaled[::-1])[::-1]
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(falling, 1.0)
    return [float(one) for one in adjusted]

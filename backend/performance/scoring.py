"""How well scores put positives above negatives: AUC with its interval, from counts per distinct score. Pure."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

ONE_CLASS = "one_class"
NO_SCORES = "no_scores"
_Z95 = NormalDist().inv_cdf(0.975)


class Auc(NamedTuple):
    """Area under the ROC curve with its 95 % interval (DeLong), or None with the reason."""

    value: float | None
    lower: float | None = None
    upper: float | None = None
    reason: str | None = None


def auc_of_counts(positives: Any, negatives: Any) -> Auc:
    """AUC from how many positives and negatives had each distinct score, scores ascending. Counts may be fractions.

    Ties count half. The interval is DeLong's (Biometrics 44 (1988) 837); without two of each class it is left out.

    >>> auc_of_counts([0, 1, 1], [1, 1, 0]).value
    0.875
    """
    pos, neg = np.asarray(positives, dtype=float), np.asarray(negatives, dtype=float)
    n_pos, n_neg = float(pos.sum()), float(neg.sum())
    if pos.size == 0:
        return Auc(None, reason=NO_SCORES)
    if n_pos <= 0 or n_neg <= 0:
        return Auc(None, reason=ONE_CLASS)
    beaten = (np.cumsum(neg) - neg / 2) / n_neg
    beating = (n_pos - np.cumsum(pos) + pos / 2) / n_pos
    area = float((pos * beaten).sum()) / n_pos
    if n_pos < 2 or n_neg < 2:
        return Auc(area)
    spread = float((pos * (beaten - area) ** 2).sum()) / (n_pos - 1) / n_pos
    spread += float((neg * (beating - area) ** 2).sum()) / (n_neg - 1) / n_neg
    half = _Z95 * math.sqrt(max(0.0, spread))
    return Auc(area, max(0.0, area - half), min(1.0, area + half))

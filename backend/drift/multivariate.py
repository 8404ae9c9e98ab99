"""All features at once, on demand from rows: the domain classifier and the maximum mean discrepancy. Pure but for its
random generator, which is an argument; scikit-learn is loaded when asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.drift import special
from backend.drift.distances import auc
from backend.drift.effect import shift_of

Floats = npt.NDArray[np.float64]
#: Rows of one side at most: the kernel matrix of 2 x 1,000 rows takes 32 MB.
MAX_MMD_ROWS = 1_000
N_FOLDS = 5


@dataclass(frozen=True, slots=True)
class DomainClassifier:
    """How well a classifier tells current rows from reference rows, out of fold: 0.5 is not at all."""

    auc: float
    p_value: float
    shift_sigma: float
    n_reference: int
    n_current: int


@dataclass(frozen=True, slots=True)
class MeanDiscrepancy:
    """Unbiased squared maximum mean discrepancy under a Gaussian kernel, with its permutation p-value (k+1)/(R+1)."""

    mmd2: float
    p_value: float
    sigma: float
    n_permutations: int


def classify_domains(
    reference: Floats, current: Floats, *, is_category: npt.NDArray[np.bool_], seed: int = 0
) -> DomainClassifier:
    """Gradient boosting over rows (rows x features, missing as NaN, categories as codes), scored out of fold.

    The p-value is that of the Mann-Whitney test on the out-of-fold scores. Needs ten rows on each side.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    if min(len(reference), len(current)) < 2 * N_FOLDS:
        raise ValueError(f"both sides need {2 * N_FOLDS} rows or more")
    rows = np.concatenate([reference, current])
    side = np.concatenate([np.zeros(len(reference)), np.ones(len(current))])
    scores = np.empty(len(rows))
    folds: Any = StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed)
    # One thread: beside other work its threads wait for each other, and two took four to fifty times as long.
    with threadpool_limits(1):
        for train, test in folds.split(rows, side):
            known = ~np.isnan(rows[train]).all(axis=0)  # a column without any value cannot be cut into bins
            if not known.any():
                scores[test] = 0.5
                continue
            model = HistGradientBoostingClassifier(
                max_iter=40,
                max_leaf_nodes=15,
                random_state=seed,
                categorical_features=is_category[known],
                early_stopping=False,
            )
            fitted = model.fit(rows[np.ix_(train, known)], side[train])
            scores[test] = fitted.predict_proba(rows[np.ix_(test, known)])[:, 1]
    found = auc(scores[side == 0], scores[side == 1])
    n, m = len(current), len(reference)
    z = (found - 0.5) / math.sqrt((n + m + 1) / (12 * n * m))
    # Below 0.5 is chance: it is no drift that can be told apart.
    return DomainClassifier(found, float(special.ndtr(-z)), float(shift_of("auc", max(found, 0.5))), m, n)


def standardise(reference: Floats, current: Floats) -> tuple[Floats, Floats]:
    """Both sides in robust units of the reference, clipped to 10, missing as a column of its own."""
    columns: list[tuple[Floats, Floats]] = []
    for place in range(reference.shape[1]):
        x, y = reference[:, place], current[:, place]
        known = x[np.isfinite(x)]
        middle = float(np.median(known)) if len(known) else 0.0
        low, high = np.quantile(known, [0.25, 0.75]) if len(known) else (0.0, 1.0)
        largest = float(np.abs(known).max(initial=0)) or 1.0  # squares of the largest numbers are no numbers
        scale = float(high - low) / 1.349 or float((known / largest).std() if len(known) else 0.0) * largest or 1.0
        columns.append(tuple(np.clip(np.nan_to_num((v - middle) / scale, nan=0.0), -10, 10) for v in (x, y)))  # type: ignore[arg-type]
        if np.isnan(x).any() or np.isnan(y).any():
            columns.append((np.isnan(x).astype(float), np.isnan(y).astype(float)))
    return np.stack([c[0] for c in columns], axis=1), np.stack([c[1] for c in columns], axis=1)


def mmd2(x: npt.ArrayLike, y: npt.ArrayLike, sigma: float, *, is_unbiased: bool = True) -> float:
    """Squared maximum mean discrepancy under exp(-|a - b|^2 / (2 sigma^2)).

    >>> a, b = np.arange(1, 11), np.array([2, 3, 3, 5, 6, 7, 9, 10, 12, 15])
    >>> round(mmd2(a, b, 2.0), 6), round(mmd2(a, b, 2.0, is_unbiased=False), 6)
    (-0.095957, 0.042321)
    """
    a, b = _rows(x), _rows(y)
    kernel = np.exp(-_squares(np.concatenate([a, b])) / (2 * sigma**2))
    return _mmd2_of(kernel, np.arange(len(a) + len(b)) < len(a), is_unbiased)


def permute_mmd(
    reference: Floats, current: Floats, rng: np.random.Generator, *, n_permutations: int = 199
) -> MeanDiscrepancy:
    """The unbiased statistic with the median distance as the kernel's width, against shuffled sides."""
    x, y = (side[rng.permutation(len(side))[:MAX_MMD_ROWS]] for side in (reference, current))
    if min(len(x), len(y)) < 2:
        raise ValueError("both sides need two rows or more")
    squares = _squares(np.concatenate([x, y]))
    sigma = math.sqrt(float(np.median(squares[np.triu_indices(len(squares), 1)])) / 2) or 1.0
    kernel = np.exp(-squares / (2 * sigma**2))
    is_x = np.arange(len(kernel)) < len(x)
    observed = _mmd2_of(kernel, is_x, True)
    n_above = sum(_mmd2_of(kernel, rng.permutation(is_x), True) >= observed for _ in range(n_permutations))
    return MeanDiscrepancy(observed, (n_above + 1) / (n_permutations + 1), sigma, n_permutations)


def _mmd2_of(kernel: Floats, is_x: npt.NDArray[np.bool_], is_unbiased: bool) -> float:
    n, m = int(is_x.sum()), int((~is_x).sum())
    marks = is_x.astype(np.float64)
    to_x = kernel @ marks
    xx, xy = float(marks @ to_x), float((1 - marks) @ to_x)
    yy = float(kernel.sum()) - xx - 2 * xy
    if is_unbiased:
        return (xx - n) / (n * (n - 1)) + (yy - m) / (m * (m - 1)) - 2 * xy / (n * m)
    return xx / n**2 + yy / m**2 - 2 * xy / (n * m)


def _rows(values: npt.ArrayLike) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    return found[:, None] if found.ndim == 1 else found


def _squares(rows: Floats) -> Floats:
    norms = (rows**2).sum(axis=1)
    return np.asarray(np.maximum(norms[:, None] + norms[None, :] - 2 * rows @ rows.T, 0.0))

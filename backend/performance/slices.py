"""Where the model is worst: parts of the data given by one or two conditions, tested against the rest. Pure.

Every candidate is tested, and Benjamini-Hochberg over all of them keeps the share of false findings in bounds; a part
that is only bad because of another one in the list is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from review.rules.false_discovery import benjamini_hochberg
from review.rules.intervals import wilson_of_share

Numbers = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
#: Smaller slices are neither tested nor shown.
MIN_N = 30
#: How many numbers a feature is cut into, and how many values of a text are looked at.
N_BINS, MAX_VALUES = 4, 20
#: A pair must be worse than what is left of each of its two conditions at this level.
_ALPHA_PAIR = 0.05


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a stored column: equal to `equals`, within [low, high), or missing when all are None."""

    column: str
    equals: str | bool | None = None
    low: float | None = None
    high: float | None = None

    @property
    def is_missing(self) -> bool:
        return self.equals is None and self.low is None and self.high is None


@dataclass(frozen=True)
class Feature:
    """A column cut into bins: `codes` is the bin of each row, -1 for values that are too rare to look at."""

    column: str
    codes: Codes
    bins: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the data that is worse than the rest. `value` is its error; `q` is adjusted for all tests."""

    conditions: tuple[Condition, ...]
    n: int
    value: float
    lower: float
    upper: float
    rest: float
    p: float
    q: float

    @property
    def difference(self) -> float:
        return self.value - self.rest


@dataclass(frozen=True, slots=True)
class Findings:
    """The worst slices, worst first, and how many candidates were tested for them."""

    slices: tuple[Slice, ...]
    n_tested: int
    n_rows: int


class _Sums(NamedTuple):
    """Additive sums of a part: rows, weights, squared weights, weighted errors, weighted squared errors."""

    n: Any
    w: Any
    ww: Any
    wy: Any
    wyy: Any


class _Candidate(NamedTuple):
    parts: tuple[tuple[int, int], ...]
    sums: _Sums
    p: float


def cut_numbers(column: str, values: Any, n_bins: int = N_BINS) -> Feature:
    """Bins between the quantiles of the values themselves; NaN is a bin of its own."""
    x = np.asarray(values, dtype=float)
    known = ~np.isnan(x)
    inner = np.unique(np.quantile(x[known], np.arange(1, n_bins) / n_bins)) if known.any() else np.zeros(0)
    inner = inner[inner > x[known].min()] if known.any() else inner
    codes = np.where(known, np.searchsorted(inner, x, side="right"), inner.size + 1).astype(np.int64)
    edges: list[float | None] = [None, *(float(edge) for edge in inner), None]
    bins = [Condition(column, low=low, high=high) for low, high in pairwise(edges)]
    if inner.size == 0:
        bins = [Condition(column, low=-math.inf)]
    return Feature(column, codes, (*bins, Condition(column)))


def cut_texts(column: str, values: Sequence[Any]) -> Feature:
    """The most frequent values; None is a bin of its own."""
    counted: dict[Any, int] = {}
    for value in values:
        counted[value] = counted.get(value, 0) + 1
    named = sorted((value for value in counted if value is not None), key=lambda v: (-counted[v], str(v)))[:MAX_VALUES]
    place = {value: code for code, value in enumerate(named)} | {None: len(named)}
    codes = np.array([place.get(value, -1) for value in values], dtype=np.int64)
    return Feature(column, codes, (*(Condition(column, equals=value) for value in named), Condition(column)))


def find_worst(
    errors: Any,
    features: Sequence[Feature],
    weights: Any | None = None,
    *,
    is_share: bool = True,
    min_n: int = MIN_N,
    max_q: float = 0.05,
    limit: int = 20,
) -> Findings:
    """Slices whose error is above the rest's, false discoveries held to `max_q`, worst (smallest p) first.

    `errors`: 1 where the answer was wrong, 0 where right; or absolute errors with `is_share` false. `weights` are one
    over the inclusion probabilities; tests then count Kish's effective number of rows.
    """
    y = np.asarray(errors, dtype=float)
    w = np.ones_like(y) if weights is None else np.asarray(weights, dtype=float)
    if y.size == 0 or not features:
        return Findings((), 0, int(y.size))
    total = _sums(np.zeros(y.size, dtype=np.int64), y, w, 1)
    candidates = _candidates(features, y, w, _row(total, 0), is_share, min_n)
    q = benjamini_hochberg([one.p for one in candidates])
    hits = sorted((one.p, adjusted, place) for place, (one, adjusted) in enumerate(zip(candidates, q, strict=True)))
    hits = [hit for hit in hits if hit[1] <= max_q]
    kept: list[Slice] = []
    left = np.ones(y.size, dtype=bool)
    for _, adjusted, place in hits:
        if len(kept) >= limit:
            break
        one = candidates[place]
        inside = np.ones(y.size, dtype=bool)
        for feature, code in one.parts:
            inside &= features[feature].codes == code
        if _adds_something(inside & left, left, y, w, is_share, max_q / len(hits)) and _needs_both(
            one, features, y, w, is_share
        ):
            kept.append(_describe(one, adjusted, features, _row(total, 0), is_share))
            left &= ~inside
    return Findings(tuple(kept), len(candidates), int(y.size))


def _candidates(
    features: Sequence[Feature], y: Numbers, w: Numbers, total: _Sums, is_share: bool, min_n: int
) -> list[_Candidate]:
    found: list[_Candidate] = []
    for place, feature in enumerate(features):
        sums = _sums(feature.codes, y, w, len(feature.bins))
        found += _tested([((place, code),) for code in range(len(feature.bins))], sums, total, is_share, min_n)
    for a, b in combinations(range(len(features)), 2):
        if features[a].column == features[b].column:
            continue
        n_b = len(features[b].bins)
        known = (features[a].codes >= 0) & (features[b].codes >= 0)
        joint = np.where(known, features[a].codes * n_b + features[b].codes, -1)
        n_cells = len(features[a].bins) * n_b
        parts = [((a, cell // n_b), (b, cell % n_b)) for cell in range(n_cells)]
        found += _tested(parts, _sums(joint, y, w, n_cells), total, is_share, min_n)
    return found


def _tested(
    parts: Sequence[tuple[tuple[int, int], ...]], sums: _Sums, total: _Sums, is_share: bool, min_n: int
) -> list[_Candidate]:
    large = np.flatnonzero((sums.n >= min_n) & (total.n - sums.n >= min_n))
    return [
        _Candidate(parts[i], _row(sums, i), _p_worse(_row(sums, i), _minus(total, _row(sums, i)), is_share))
        for i in large.tolist()
    ]


def _sums(codes: Codes, y: Numbers, w: Numbers, size: int) -> _Sums:
    inside = codes >= 0
    code, yi, wi = codes[inside], y[inside], w[inside]
    weighed = (np.ones_like(wi), wi, wi * wi, wi * yi, wi * yi * yi)
    return _Sums(*(np.bincount(code, weights=one, minlength=size) for one in weighed))


def _row(sums: _Sums, i: int) -> _Sums:
    return _Sums(*(float(one[i]) for one in sums))


def _minus(total: _Sums, part: _Sums) -> _Sums:
    return _Sums(*(max(0.0, a - b) for a, b in zip(total, part, strict=True)))


def _effective(sums: _Sums) -> float:
    return float(sums.w * sums.w / sums.ww) if sums.ww else 0.0


def _p_worse(part: _Sums, rest: _Sums, is_share: bool) -> float:
    """One-sided: could a part no worse than the rest look this bad."""
    if not part.w or not rest.w:
        return 1.0
    mean, other = part.wy / part.w, rest.wy / rest.w
    if mean <= other:
        return 1.0
    n, m = _effective(part), _effective(rest)
    if not is_share:
        return _welch(mean - other, (_variance(part), n), (_variance(rest), m))
    n_part, n_rest = int(n), int(m)
    k, rest_k = round(mean * n_part), round(other * n_rest)
    return hypergeometric_tail(k, n_part, k + rest_k, n_part + n_rest)


def _variance(sums: _Sums) -> float:
    mean = sums.wy / sums.w
    return max(0.0, float(sums.wyy / sums.w - mean * mean))


def _welch(gap: float, a: tuple[float, float], b: tuple[float, float]) -> float:
    from scipy.special import stdtr  # 27 MB that charts do without

    first, second = a[0] / max(1.0, a[1] - 1), b[0] / max(1.0, b[1] - 1)
    if first + second <= 0:
        return 0.0
    freedom = (first + second) ** 2 / (first**2 / max(1.0, a[1] - 1) + second**2 / max(1.0, b[1] - 1))
    return float(stdtr(freedom, -gap / math.sqrt(first + second)))


def hypergeometric_tail(k: int, n: int, n_hits: int, n_all: int) -> float:
    """P(at least k hits among n drawn from n_all of which n_hits are hits): Fisher's exact test, one-sided.

    >>> round(hypergeometric_tail(3, 4, 4, 8), 4)
    0.2429
    """
    from scipy.special import gammaln

    top = min(n, n_hits)
    if k <= max(0, n + n_hits - n_all):
        return 1.0
    if k > top:
        return 0.0
    j = np.arange(k, top + 1, dtype=float)

    def choose(a: Any, b: Any) -> Any:
        return gammaln(a + 1) - gammaln(b + 1) - gammaln(a - b + 1)

    logs = choose(n_hits, j) + choose(n_all - n_hits, n - j) - choose(n_all, n)
    peak = float(logs.max())
    return min(1.0, math.exp(peak) * float(np.exp(logs - peak).sum()))


def _adds_something(
    inside: npt.NDArray[np.bool_],
    left: npt.NDArray[np.bool_],
    y: Numbers,
    w: Numbers,
    is_share: bool,
    alpha: float,
) -> bool:
    """Whether a part is still worse than the rest outside of what was found before."""
    if left.all():
        return True
    if inside.sum() < MIN_N // 2:
        return False
    sums = _sums(inside[left].astype(np.int64), y[left], w[left], 2)
    return _p_worse(_row(sums, 1), _row(sums, 0), is_share) < alpha


def _needs_both(one: _Candidate, features: Sequence[Feature], y: Numbers, w: Numbers, is_share: bool) -> bool:
    """Whether a pair is worse than the rest of each of its two conditions; else one condition says it all."""
    if len(one.parts) < 2:
        return True
    for (own, code), (other, other_code) in (one.parts, one.parts[::-1]):
        within = features[own].codes == code
        sums = _sums((features[other].codes[within] == other_code).astype(np.int64), y[within], w[within], 2)
        if sums.n[0] and _p_worse(_row(sums, 1), _row(sums, 0), is_share) >= _ALPHA_PAIR:
            return False
    return True


def _describe(one: _Candidate, q: float, features: Sequence[Feature], total: _Sums, is_share: bool) -> Slice:
    rest = _minus(total, one.sums)
    value = one.sums.wy / one.sums.w
    effective = _effective(one.sums)
    if is_share:
        lower, upper = wilson_of_share(value, effective)
    else:
        half = 1.959964 * math.sqrt(_variance(one.sums) / max(1.0, effective - 1))
        lower, upper = value - half, value + half
    conditions = tuple(features[place].bins[code] for place, code in one.parts)
    return Slice(conditions, int(one.sums.n), value, lower, upper, rest.wy / rest.w, one.p, q)

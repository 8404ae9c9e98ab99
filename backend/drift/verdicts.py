"""Whether a feature drifted, how surely and how much: two numbers, never one. Pure. Called by backend.drift.service.

Evidence is a calibrated p-value over coarse bins, adjusted over the features of a window; effect is the size of the
difference in sigma. A surely seen but tiny difference is "negligible"; too few rows say so instead of "ok".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from backend.drift import distances, evidence
from backend.drift.effect import rows_needed, shift_of, true_shift, visible_shift
from backend.drift.kolmogorov import ks_p_value

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Verdict = Literal["ok", "drifted", "negligible", "insufficient", "failed"]
VERDICTS: tuple[Verdict, ...] = ("ok", "drifted", "negligible", "insufficient", "failed")
#: Below this many rows no approximation holds, whatever they look like.
MIN_ROWS = 30
#: The shift that a window should be able to see before its silence means anything.
SEEN_SHIFT = 0.3
#: Bins that are told as having moved, and the share of the whole difference that they need.
MAX_MOVED, MIN_PART = 6, 0.04
#: The exact Kolmogorov-Smirnov p-value of a report: beyond this many rows a side it takes too long for 25 features.
REPORT_EXACT = 500


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a feature's bins. Fine bins come first in the order of values, then null, which is the last.

    `edges` are the upper ends of all fine bins but the last (numbers only); `is_step` marks intervals between two
    edges whose values all lie on the upper one. `groups` are the first bins of the coarse bins, null its own.
    `unseen` is the bin of categories that the reference does not know. `reach` bounds distances in units. `trouble`
    says why it cannot be judged.
    """

    name: str
    kind: Literal["number", "category"]
    groups: tuple[int, ...]
    edges: Floats = field(default_factory=lambda: np.zeros(0))
    is_step: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    scale: float | None = None
    reach: tuple[float, float] | None = None
    unseen: int | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The level of evidence of this window, the effect below which a difference does not matter, and the features
    over which the level is shared."""

    alpha: float
    floor: float = 0.1
    min_rows: int = MIN_ROWS


@dataclass(frozen=True, slots=True)
class MovedBin:
    """A coarse bin that takes part in the difference; `part` is its share of the whole index."""

    bin: int
    reference: float
    current: float
    part: float


@dataclass(slots=True)
class FeatureVerdict:
    """Everything about one feature in one window. Distances are over coarse bins but for ks and wasserstein.

    `shift_sigma` is the effect (chance taken off), `sigma` the plain equivalent of every distance, `visible_sigma`
    the smallest shift that this many rows can see, `n_needed` the rows that see 0.3 sigma (None: the reference is too
    small). `reason` is a code: missing, less_missing, new_category, lost_category, shares, shift, spread, or, for a
    failed feature, what is wrong with it.
    """

    feature: str
    kind: str
    verdict: Verdict
    reason: str | None = None
    direction: Literal["up", "down"] | None = None
    n_reference: int = 0
    n_current: int = 0
    null_rate_reference: float | None = None
    null_rate_current: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    shift_sigma: float | None = None
    visible_sigma: float | None = None
    n_needed: int | None = None
    psi: float | None = None
    psi_critical: float | None = None
    js: float | None = None
    hellinger: float | None = None
    tvd: float | None = None
    l_infinity: float | None = None
    ks: float | None = None
    ks_p: float | None = None
    ks_is_exact: bool = False
    wasserstein: float | None = None
    chi_square: float | None = None
    chi_square_df: int | None = None
    chi_square_p: float | None = None
    cramers_v: float | None = None
    cramers_v_corrected: float | None = None
    sigma: dict[str, float] = field(default_factory=dict)
    moved: list[MovedBin] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Grid:
    """Verdicts of features over windows, features x windows; `verdict` holds places in VERDICTS. `is_reference_small`:
    no number of rows in the window would show 0.3 sigma."""

    verdict: npt.NDArray[np.int8]
    p_adjusted: Floats
    shift_sigma: Floats
    n: Counts
    is_reference_small: npt.NDArray[np.bool_]


def coarse(shape: Shape, counts: Counts) -> Counts:
    """Fine counts (last axis) as coarse ones: deciles of the reference for numbers, the categories themselves, null.

    >>> coarse(Shape("x", "number", (0, 2, 3)), np.array([1, 2, 3, 4])).tolist()
    [3, 3, 4]
    """
    return np.asarray(np.add.reduceat(counts, np.array(shape.groups), axis=-1))


def judge_grid(shapes: Sequence[Shape], reference: Sequence[Counts], current: Sequence[Counts], rules: Rules) -> Grid:
    """Verdicts only, for many windows at once: per feature, counts of shape (windows, bins), or (bins,) for a
    reference that is the same for all."""
    n_windows = current[0].shape[0] if current else 0
    size = (len(shapes), n_windows)
    p_value, shift, n_rows = np.full(size, np.nan), np.full(size, np.nan), np.zeros(size, dtype=np.int64)
    needed, is_small = np.full(size, np.inf), np.zeros(size, dtype=bool)
    alpha = _first_alpha(shapes, rules)
    for place, shape in enumerate(shapes):
        if shape.trouble is not None:
            continue
        ref, cur = coarse(shape, reference[place]), coarse(shape, current[place])
        n_rows[place] = cur.sum(axis=-1)
        p_value[place], shift[place], _ = _test(ref, cur)
        n_ref = np.broadcast_to(ref.sum(axis=-1), n_windows)
        needed[place] = _needed_of_many(n_ref, np.broadcast_to(_freedom_of(ref), n_windows), alpha)
        is_short = (n_rows[place] < rules.min_rows) | (n_ref < rules.min_rows)
        is_small[place] = np.isinf(needed[place]) | (n_ref < rules.min_rows)
        p_value[place] = np.where(is_short, 1.0, p_value[place])
    adjusted = evidence.benjamini_hochberg(p_value.T).T
    is_sure = adjusted <= rules.alpha
    verdict = np.select(
        [
            np.isnan(p_value),
            is_sure & (shift >= rules.floor),
            is_sure,
            (n_rows < needed) | (n_rows < rules.min_rows) | is_small,
        ],
        [VERDICTS.index("failed"), VERDICTS.index("drifted"), VERDICTS.index("negligible"), 3],
        VERDICTS.index("ok"),
    )
    return Grid(verdict.astype(np.int8), adjusted, shift, n_rows, is_small)


def judge_window(
    shapes: Sequence[Shape], reference: Sequence[Counts], current: Sequence[Counts], rules: Rules
) -> list[FeatureVerdict]:
    """Everything about every feature of one window, in the order given. What fails for one feature stays there."""
    found = [_measure(*item, rules) for item in zip(shapes, reference, current, strict=True)]
    p_values = [math.nan if one.p_value is None else one.p_value for one in found]
    adjusted = evidence.benjamini_hochberg(np.array(p_values)) if found else np.zeros(0)
    alpha = _first_alpha(shapes, rules)
    for shape, one, ref, cur, p in zip(shapes, found, reference, current, adjusted.tolist(), strict=True):
        if one.verdict != "failed":
            _decide(shape, one, ref, cur, p, alpha, rules)
    return found


def rank(found: Sequence[FeatureVerdict]) -> list[FeatureVerdict]:
    """What needs a look first: drifted ones by effect, then failed, negligible, ok and insufficient ones."""
    order = {"drifted": 0, "failed": 1, "negligible": 2, "ok": 3, "insufficient": 4}
    return sorted(found, key=lambda one: (order[one.verdict], -(one.shift_sigma or 0.0), one.feature))


def _first_alpha(shapes: Sequence[Shape], rules: Rules) -> float:
    """The level that the first drifted feature of a window has to reach."""
    return rules.alpha / max(1, sum(shape.trouble is None for shape in shapes))


def _test(ref: Counts, cur: Counts) -> tuple[Floats, Floats, Floats]:
    """p-value, effect in sigma and degrees of freedom of coarse counts."""
    p_value, df = evidence.two_sample_p(ref, cur)
    merged = evidence.merge_small(ref, cur)
    index = distances.psi(*merged)
    return p_value, true_shift(index, df, cur.sum(axis=-1), ref.sum(axis=-1)), df


def _freedom_of(ref: Counts) -> Counts:
    """Degrees of freedom of a feature as far as the reference alone tells."""
    return np.asarray(np.maximum((ref > 0).sum(axis=-1) - 1, 1))


def _needed_of_many(n_reference: Counts, df: Counts, alpha: float) -> Floats:
    """`_needed` for many windows, infinite where the reference is too small; few pairs of arguments differ."""
    pairs, place = np.unique(np.stack([n_reference, df]), axis=1, return_inverse=True)
    found = [_needed(int(m), int(d), alpha) or np.inf for m, d in pairs.T]
    return np.array(found, dtype=np.float64)[place.reshape(-1)]


def _needed(n_reference: int, df: int, alpha: float) -> int | None:
    return rows_needed(SEEN_SHIFT, n_reference, max(1, df), alpha)


def _measure(shape: Shape, reference: Counts, current: Counts, rules: Rules) -> FeatureVerdict:
    one = FeatureVerdict(shape.name, shape.kind, "ok", n_current=int(current.sum()), n_reference=int(reference.sum()))
    if shape.trouble is not None:
        one.verdict, one.reason = "failed", shape.trouble
        return one
    n, m = one.n_current, one.n_reference
    if m:
        one.null_rate_reference = float(reference[-1] / m)
    if n:
        one.null_rate_current = float(current[-1] / n)
    ref, cur = coarse(shape, reference), coarse(shape, current)
    if not n or not m:
        one.p_value = 1.0
        return one
    p_value, shift, _ = _test(ref, cur)
    one.p_value = float(p_value) if min(n, m) >= rules.min_rows else 1.0
    one.shift_sigma = float(shift)
    _add_distances(one, ref, cur, rules.alpha)
    if shape.kind == "number":
        _add_ordered(one, shape, reference[:-1], current[:-1])
    for name, value in (("psi", one.psi), ("js", one.js), ("hellinger", one.hellinger), ("tvd", one.tvd)):
        one.sigma[name] = float(shift_of(name, value if value is not None else math.nan))
    for name, value in (("ks", one.ks), ("wasserstein", one.wasserstein)):
        if value is not None:
            one.sigma[name] = float(shift_of(name, value))
    return one


def _add_distances(one: FeatureVerdict, ref: Counts, cur: Counts, alpha: float) -> None:
    n, m = one.n_current, one.n_reference
    one.psi = float(distances.psi(ref, cur))
    one.psi_critical = float(evidence.psi_critical(int(((ref + cur) > 0).sum()), alpha, n, m))
    one.js, one.hellinger = float(distances.js_distance(ref, cur)), float(distances.hellinger(ref, cur))
    one.tvd, one.l_infinity = float(distances.total_variation(ref, cur)), float(distances.l_infinity(ref, cur))
    statistic, df, p_value = evidence.chi_square_two_sample(ref, cur)
    one.chi_square, one.chi_square_df, one.chi_square_p = float(statistic), int(df), float(p_value)
    if df:
        one.cramers_v = distances.cramers_v(one.chi_square, n + m, int(df) + 1)
        one.cramers_v_corrected = distances.cramers_v(one.chi_square, n + m, int(df) + 1, corrected=True)


def _add_ordered(one: FeatureVerdict, shape: Shape, reference: Counts, current: Counts) -> None:
    """Kolmogorov-Smirnov and Wasserstein over the fine bins of the values that are there."""
    m, n = int(reference.sum()), int(current.sum())
    if not n or not m:
        return
    difference = (np.cumsum(reference) / m - np.cumsum(current) / n)[:-1]
    one.ks = float(np.abs(difference).max()) if len(difference) else 0.0
    one.ks_p = ks_p_value(one.ks, m, n, max_exact=REPORT_EXACT)
    one.ks_is_exact = max(n, m) <= REPORT_EXACT
    if shape.scale and shape.reach:
        edges = np.clip(shape.edges, *shape.reach)
        distance = distances.wasserstein_from_bins(edges, shape.is_step, difference)
        one.wasserstein = float(distance / shape.scale)


def _decide(
    shape: Shape, one: FeatureVerdict, ref: Counts, cur: Counts, p_adjusted: float, alpha: float, rules: Rules
) -> None:
    n, m = one.n_current, one.n_reference
    one.p_adjusted = p_adjusted
    coarse_ref, coarse_cur = coarse(shape, ref), coarse(shape, cur)
    df = int(_freedom_of(coarse_ref))
    one.n_needed = _needed(m, df, alpha)
    if n and m:
        one.visible_sigma = float(visible_shift(n, m, df, alpha))
    is_sure = min(n, m) >= rules.min_rows and p_adjusted <= rules.alpha
    if is_sure:
        one.verdict = "drifted" if (one.shift_sigma or 0.0) >= rules.floor else "negligible"
        one.moved = moved_bins(coarse_ref, coarse_cur)
        one.reason, one.direction = explain(shape, ref, cur)
    elif n < max(rules.min_rows, one.n_needed or math.inf) or m < rules.min_rows:
        one.verdict = "insufficient"
        one.reason = "reference_too_small" if one.n_needed is None or m < rules.min_rows else "too_few_rows"
        one.n_needed = one.n_needed and max(one.n_needed, rules.min_rows)


def moved_bins(ref: Counts, cur: Counts) -> list[MovedBin]:
    """The coarse bins that make up most of the index, largest part first."""
    p, q = distances.smoothed_shares(ref, cur)
    parts = distances.psi_parts(p, q)
    total = float(parts.sum())
    if not total > 0:
        return []
    plain_p, plain_q = distances.shares(ref), distances.shares(cur)
    order = np.argsort(-parts, kind="stable")[:MAX_MOVED].tolist()
    return [
        MovedBin(place, float(plain_p[place]), float(plain_q[place]), float(parts[place] / total))
        for place in order
        if parts[place] / total >= MIN_PART
    ]


def explain(shape: Shape, reference: Counts, current: Counts) -> tuple[str, Literal["up", "down"] | None]:
    """The code of what happened, and for a shift of numbers its direction.

    The bin with the largest part decides about missing and new values; of numbers a difference that goes one way
    only is a shift, any other a change of spread.
    """
    ref, cur = coarse(shape, reference), coarse(shape, current)
    p, q = distances.smoothed_shares(ref, cur)
    parts = distances.psi_parts(p, q)
    null = len(ref) - 1
    # Null against all the others: what is missing is missing from every other bin, which must not outvote it.
    if parts[null] >= 0.5 * parts.sum() or parts[null] == parts.max():
        return ("missing" if q[null] > p[null] else "less_missing"), None
    if shape.kind == "category":
        largest = int(np.argmax(parts))
        if shape.unseen is not None and largest == int(np.searchsorted(shape.groups, shape.unseen, side="right")) - 1:
            risen = current / current.sum() - reference / reference.sum()
            is_new = risen[shape.unseen] > 0 and risen[shape.unseen] >= risen[shape.unseen - 1]
            return ("new_category" if is_new else "shares"), None
        return ("lost_category" if cur[largest] == 0 and ref[largest] > 0 else "shares"), None
    return _explain_numbers(shape, reference[:-1], current[:-1])


def _explain_numbers(shape: Shape, reference: Counts, current: Counts) -> tuple[str, Literal["up", "down"] | None]:
    m, n = reference.sum(), current.sum()
    if not n or not m or not len(shape.edges):
        return "shift", None
    difference = (np.cumsum(reference) / m - np.cumsum(current) / n)[:-1]
    upward, downward = float(np.maximum(difference, 0).max()), float(np.maximum(-difference, 0).max())
    if min(upward, downward) > 0.5 * max(upward, downward):
        return "spread", None
    return "shift", ("up" if upward > downward else "down")

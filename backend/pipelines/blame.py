"""Which step does a change of the end result come from? Pure.

A trace goes through mechanisms in a row: what comes in, then each step given what it was handed. Putting one period's
mechanism into the other period, and keeping the rest, tells what that one did to the end result. A mechanism's share
is its Shapley value over all orders of exchanging them, so the shares add up to the whole change (Budhathoki et al.
2021, "Why did the distribution change?"). Intervals come from a Poisson bootstrap over traces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from backend.pipelines.strata import Ints, Reals, bin_features, grow

Verdict = Literal["blamed", "cannot_tell", "unchanged", "insufficient"]

#: Fewer traces than this in a period say nothing about a step.
MIN_TRACES = 60
N_GROUPS = 20
N_RESAMPLES = 200
#: Least gain of a split, as chi-square: of one that tells the periods apart, and of one that tells the outcome. The
#: best of some hundred splits of pure noise reaches about 12.
PERIOD_GAIN = 16.0
OUTCOME_GAIN = 8.0
#: A step is judged in a group only where both periods have traces enough: this many, and this part of the other
#: period's share. Where one has hardly any, those it has lie at the group's edge and are no likeness of the others.
MIN_SUPPORT = 5
MIN_SUPPORT_RATIO = 0.1
#: The change itself must be certain at this level (several end results are looked at together), and a mechanism's
#: share at that one, divided among the mechanisms (Bonferroni).
ALPHA_CHANGE = 0.01
ALPHA = 0.05
#: A step is blamed from this share of the change on.
MIN_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Period:
    """The traces of one period, in the same order everywhere.

    `features[k]` (traces x features, NaN where missing) is all that is known of a trace before step k acts: what came
    in for step 0, and what earlier steps handed over for the others. `rewards[k]` is what step k adds to the end
    result: zero but for the last step, unless the end result is a sum over steps, as latency is. `weight` is one over
    the chance with which a trace is in the sample. `kinds[k]` tells hand-overs apart that are never alike, however few
    they are, such as an answer and none.
    """

    features: tuple[Reals, ...]
    rewards: tuple[Reals, ...]
    weight: Reals
    kinds: tuple[Ints, ...] = ()

    @property
    def n(self) -> int:
        return len(self.weight)

    @property
    def mean_end(self) -> float | None:
        return float(np.average(np.sum(self.rewards, axis=0), weights=self.weight)) if self.n else None


@dataclass(frozen=True, slots=True)
class Share:
    """What one mechanism did to the end result, with its interval.

    `unseen` is the part of the current traces in which the step was given what it hardly ever got in the reference:
    there it cannot be judged itself, and what came before it answers for the change.
    """

    change: float
    low: float
    high: float
    unseen: float
    is_blamed: bool


@dataclass(frozen=True, slots=True)
class Blame:
    """The change of the end result with its interval, and each mechanism's share: first what comes in, then the steps.

    `n_needed` is how many traces a period should have where they are too few for an answer.
    """

    verdict: Verdict
    reference: float | None
    current: float | None
    n_reference: int
    n_current: int
    change: float | None = None
    low: float | None = None
    high: float | None = None
    shares: tuple[Share, ...] = ()
    n_needed: int | None = None


def blame(reference: Period, current: Period, rng: np.random.Generator, *, min_change: float = 0.01) -> Blame:
    """Compare two periods of the same steps; a change smaller than `min_change` is none.

    "insufficient": a period has fewer than MIN_TRACES traces. "unchanged": the interval of the change holds 0, or the
    change is too small. "cannot_tell": the change is certain, but no mechanism's share is. Else "blamed".
    """
    ends = (reference.mean_end, current.mean_end, reference.n, current.n)
    if min(reference.n, current.n) < MIN_TRACES:
        return Blame("insufficient", *ends, n_needed=MIN_TRACES)
    groups = _group(reference, current)
    counted = _Counts.of(reference, groups[0], rng), _Counts.of(current, groups[1], rng)
    values = _exchange(*counted)
    n_mechanisms = len(reference.rewards) + 1
    z = NormalDist().inv_cdf(1 - ALPHA / (2 * n_mechanisms))
    change, spread = _estimate(values[-1] - values[0])
    half = NormalDist().inv_cdf(1 - ALPHA_CHANGE / 2) * spread
    is_changed = abs(change) > half and abs(change) >= min_change
    unseen = [0.0, *_unseen(*counted)]
    shares = tuple(
        _share(*_estimate(part), z, unseen[place], change if is_changed else None)
        for place, part in enumerate(shapley(values))
    )
    verdict: Verdict = "unchanged"
    n_needed = None
    if is_changed:
        verdict = "blamed" if any(share.is_blamed for share in shares) else "cannot_tell"
    if verdict == "cannot_tell":
        n_needed = _needed(shares, min(reference.n, current.n))
    return Blame(verdict, *ends, change, change - half, change + half, shares, n_needed)


def shapley(values: Reals) -> Reals:
    """Shapley values from the value of every coalition.

    `values[mask]` (2**m x draws) is the end result with the mechanisms of the bits in `mask` exchanged; the answer is
    m x draws.
    """
    n_players = int(values.shape[0]).bit_length() - 1
    parts = np.zeros((n_players, values.shape[1]))
    for mask in range(values.shape[0]):
        size = mask.bit_count()
        for player in range(n_players):
            if not mask >> player & 1:
                chance = 1 / (n_players * math.comb(n_players - 1, size))
                parts[player] += chance * (values[mask | 1 << player] - values[mask])
    return parts


def _group(reference: Period, current: Period) -> tuple[list[Ints], list[Ints]]:
    """The groups of both periods' traces before each step.

    First apart by what tells the periods apart, so that within a group a step was handed the same in both; then by
    what matters for the rest of the way. Both periods have the same total weight, so that neither decides.
    """
    n = reference.n + current.n
    weight = np.concatenate([period.weight / period.weight.sum() * n / 2 for period in (reference, current)])
    is_current = np.repeat([0.0, 1.0], [reference.n, current.n])
    min_size = max(15, n // 100)
    found: tuple[list[Ints], list[Ints]] = ([], [])
    for step in range(len(reference.rewards)):
        rest = np.concatenate([np.sum(period.rewards[step:], axis=0) for period in (reference, current)])
        binned = bin_features(np.concatenate([reference.features[step], current.features[step]]))
        kinds = np.zeros(n, dtype=np.int64)
        if reference.kinds:
            kinds = np.concatenate([reference.kinds[step], current.kinds[step]])
        groups = np.unique(kinds, return_inverse=True)[1].astype(np.int64)
        groups = grow(
            binned, is_current, weight, groups=groups, n_groups=N_GROUPS // 2, min_size=min_size, min_gain=PERIOD_GAIN
        )
        groups = grow(binned, rest, weight, groups=groups, n_groups=N_GROUPS, min_size=min_size, min_gain=OUTCOME_GAIN)
        found[0].append(groups[: reference.n])
        found[1].append(groups[reference.n :])
    return found


@dataclass(frozen=True, slots=True)
class _Counts:
    """What the steps did in one period, for the sample (draw 0) and every resample: per step and group the traces,
    the sum of rewards, and how many went on to which group; `seen` is the plain number of traces per group."""

    start: Reals
    n: list[Reals]
    reward: list[Reals]
    moves: list[Reals]
    seen: list[Ints]

    @classmethod
    def of(cls, period: Period, groups: list[Ints], rng: np.random.Generator) -> _Counts:
        n_draws, size = N_RESAMPLES + 1, N_GROUPS
        n_steps = len(groups)
        n = [np.zeros((n_draws, size)) for _ in range(n_steps)]
        reward = [np.zeros((n_draws, size)) for _ in range(n_steps)]
        moves = [np.zeros((n_draws, size * size)) for _ in range(n_steps - 1)]
        paths = [groups[step] * size + groups[step + 1] for step in range(n_steps - 1)]
        for draw in range(n_draws):
            weight = period.weight if draw == 0 else period.weight * rng.poisson(1.0, period.n)
            for step in range(n_steps):
                n[step][draw] = np.bincount(groups[step], weight, size)
                reward[step][draw] = np.bincount(groups[step], weight * period.rewards[step], size)
            for step, path in enumerate(paths):
                moves[step][draw] = np.bincount(path, weight, size * size)
        start = n[0] / np.maximum(n[0].sum(axis=1, keepdims=True), 1e-12)
        seen = [np.bincount(group, minlength=size) for group in groups]
        return cls(start, n, reward, [one.reshape(n_draws, size, size) for one in moves], seen)


def _exchange(reference: _Counts, current: _Counts) -> Reals:
    """The end result (2**mechanisms x draws) with every choice of mechanisms; a set bit means the current period's.

    Bit 0 is what comes in, bit k + 1 is step k. Worked out from the last step back: the value of a group is what its
    step adds there plus the value of the groups it leads to.
    """
    n_steps = len(reference.n)
    onward: list[Reals | None] = [None]
    for step in reversed(range(n_steps)):
        onward = [
            _value(reference, current, step, is_current, after) for after in onward for is_current in (False, True)
        ]
    made = np.zeros((2 ** (n_steps + 1), len(reference.start)))
    for place, value in enumerate(onward):
        assert value is not None
        mask = sum(1 << (step + 1) for step in range(n_steps) if place >> step & 1)
        for bit, counts in enumerate((reference, current)):
            made[mask | bit] = (counts.start * value).sum(axis=1)
    return made


def _value(reference: _Counts, current: _Counts, step: int, is_current: bool, after: Reals | None) -> Reals:
    """The value of each group before `step` (draws x groups) with one period's step.

    Where this period hardly has traces in a group, the step is taken to do there what it did in the other period.
    """
    own, other = (current, reference) if is_current else (reference, current)
    found = []
    for counts in (own, other):
        total = counts.reward[step]
        if after is not None:
            total = total + np.einsum("dij,dj->di", counts.moves[step], after)
        found.append(np.divide(total, counts.n[step], out=np.full_like(total, np.nan), where=counts.n[step] > 0))
    value = np.where(_is_supported(own, other, step), found[0], found[1])
    value = np.where(np.isnan(value), found[0], value)
    return np.nan_to_num(np.where(np.isnan(value), found[1], value))


def _is_supported(own: _Counts, other: _Counts, step: int) -> npt.NDArray[np.bool_]:
    """The groups before `step` in which one period has enough traces to be compared with the other."""
    share, others = (counts.n[step][0] / counts.n[step][0].sum() for counts in (own, other))
    return np.asarray((own.seen[step] >= MIN_SUPPORT) & (share >= MIN_SUPPORT_RATIO * others))


def _unseen(reference: _Counts, current: _Counts) -> list[float]:
    return [
        float(n[0][~_is_supported(reference, current, step)].sum() / n[0].sum()) for step, n in enumerate(current.n)
    ]


def _estimate(draws: Reals) -> tuple[float, float]:
    """The estimate and its standard error, from the sample (draw 0) and the resamples."""
    return float(draws[0]), float(np.std(draws[1:], ddof=1))


def _share(change: float, spread: float, z: float, unseen: float, whole: float | None) -> Share:
    low, high = change - z * spread, change + z * spread
    is_certain = low > 0 or high < 0
    return Share(change, low, high, unseen, whole is not None and is_certain and change / whole >= MIN_SHARE)


def _needed(shares: tuple[Share, ...], n: int) -> int:
    """Traces with which the largest share's interval would leave 0, if it stays as large."""
    largest = max(shares, key=lambda share: abs(share.change))
    half = (largest.high - largest.low) / 2
    return math.ceil(n * (half / max(abs(largest.change), 1e-9)) ** 2)

"""Which answers may be accepted without a person: the lowest score above which errors stay under a limit. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from review.rules.anytime import stratified_bounds, stratified_sequence
from review.rules.evidence import BINS, Counts, estimate

Reason = Literal["no_scores", "few_labels", "too_many_errors"]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Answers with a confidence of at least `threshold` may be accepted: `share` of all answers.

    `error_upper` bounds the share of wrong ones among them at all looks at once; `error` is the estimate. Without a
    threshold, `reason` says why.
    """

    threshold: float | None
    limit: float
    alpha: float
    share: float = 0.0
    error: float | None = None
    error_upper: float = 1.0
    n_labels: int = 0
    reason: Reason | None = None


def accept_above(counts: Counts, limit: float, alpha: float) -> Acceptance:
    """The largest share of answers whose errors are, with confidence 1 - alpha, at most `limit`.

    Learn-then-test with fixed-sequence testing (Angelopoulos, Bates, Candes, Jordan and Lei, "Learn then test", 2021):
    thresholds are tried from the highest down, each by whether the anytime-valid upper bound on the error among the
    accepted stays under the limit, and the first that fails ends the walk, so no correction for their number is due.
    The walk begins where labels are enough to pass with half as many mistakes as the limit allows, or else without
    any: that looks at how many there are and not at what they say. The bound is that of `stratified_sequence`,
    because the threshold is looked at again and again.
    """
    scored = counts.part(lambda one: one.bin >= 0)
    if not scored.n_items:
        return Acceptance(None, limit, alpha, reason="no_scores")
    known = [(first, accepted) for first, accepted in _domains(scored) if accepted.n_items and accepted.n_labels]
    begin = _begin([accepted for _, accepted in known], limit, alpha)
    if begin is None:
        return Acceptance(None, limit, alpha, n_labels=scored.n_labels, reason="few_labels")
    best = Acceptance(None, limit, alpha, n_labels=scored.n_labels, reason="too_many_errors")
    for first, accepted in known[begin:]:
        layers = accepted.layers(lambda one: one.n_labels - one.n_right)
        upper = stratified_sequence(layers, alpha).upper
        if upper > limit:
            break
        share = accepted.n_items / counts.n_items
        best = Acceptance(first / BINS, limit, alpha, share, estimate(layers), upper, accepted.n_labels)
    return best


def _domains(scored: Counts) -> list[tuple[int, Counts]]:
    """What each threshold accepts, from the highest down; only where something is added."""
    bins = sorted({one.bin for one in scored.items} | {one.bin for one in scored.drawn}, reverse=True)
    return [
        (
            first,
            Counts(
                tuple(one for one in scored.items if one.bin >= first),
                tuple(one for one in scored.drawn if one.bin >= first),
            ),
        )
        for first in bins
    ]


def _begin(domains: Sequence[Counts], limit: float, alpha: float) -> int | None:
    """The first threshold at which so many labels can pass, whatever they say."""
    for rate in (limit / 2, 0.0):
        for place, accepted in enumerate(domains):
            layers = accepted.layers(lambda one: 0)
            share, n = np.array([one.share for one in layers]), np.array([one.n for one in layers], dtype=float)
            if stratified_bounds(share, n * rate, n, alpha)[1] <= limit:
                return place
    return None

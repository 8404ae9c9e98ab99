"""A review batch after an alert: a stratified draw from the rows behind it, each with its inclusion probability. Pure.

Every stratum draws on its own (Poisson sampling: each item has a fixed number under the stratum's seed), so an item in
several strata is included with probability 1 - prod(1 - rate), known for every item whether it was drawn or not. The
random control covers everything, so whatever the other strata prefer, shares over all rows can be estimated
(Horvitz and Thompson, JASA 47 (1952) 663).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from review.rules.sampling import unit

#: Strata and their shares of a batch; the share of an empty stratum goes to the others.
SHARES: Mapping[str, float] = {
    "drifted_bin": 0.3,
    "disagreement": 0.25,
    "low_confidence": 0.25,
    "random_control": 0.2,
}
#: The least sure tenth of the answers is the stratum "low_confidence".
LOW_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class BatchItem:
    """One subject among the rows behind an alert."""

    subject_id: str
    score: float | None = None
    disagrees: bool = False
    is_in_drifted_bin: bool = False


@dataclass(frozen=True, slots=True)
class Picked:
    """A drawn subject: the first stratum that drew it, and its inclusion probability over all strata."""

    subject_id: str
    stratum: str
    pi: float


def draw_batch(items: Sequence[BatchItem], n: int, seed: int) -> list[Picked]:
    """About `n` of the items (exactly in expectation, fewer when there are fewer), in no particular order.

    >>> [one.pi for one in draw_batch([BatchItem("a"), BatchItem("b")], 10, seed=1)]
    [1.0, 1.0]
    """
    strata = strata_of(items)
    rates = _rates({name: len(members) for name, members in strata.items()}, n)
    picked = []
    for item in items:
        mine = [name for name, members in strata.items() if item.subject_id in members]
        missed = 1.0
        for name in mine:
            missed *= 1.0 - rates[name]
        drawn = next((name for name in mine if unit(seed, f"{name}:{item.subject_id}") < rates[name]), None)
        if drawn is not None:
            picked.append(Picked(item.subject_id, drawn, 1.0 - missed))
    return picked


def strata_of(items: Sequence[BatchItem]) -> dict[str, frozenset[str]]:
    """The members of each stratum; they overlap, and random_control has everything."""
    scored = sorted((item.score, item.subject_id) for item in items if item.score is not None)
    n_low = max(1, round(len(scored) * LOW_SHARE)) if scored else 0
    return {
        "drifted_bin": frozenset(item.subject_id for item in items if item.is_in_drifted_bin),
        "disagreement": frozenset(item.subject_id for item in items if item.disagrees),
        "low_confidence": frozenset(subject_id for _, subject_id in scored[:n_low]),
        "random_control": frozenset(item.subject_id for item in items),
    }


def _rates(sizes: Mapping[str, int], n: int) -> dict[str, float]:
    """Each stratum's share of the batch over its size, at most 1; what a small stratum cannot use goes to the rest."""
    rates = dict.fromkeys(sizes, 0.0)
    left, waiting = float(n), [name for name in sizes if sizes[name]]
    while waiting and left > 0:
        weight = sum(SHARES[name] for name in waiting)
        full = [name for name in waiting if left * SHARES[name] / weight >= sizes[name]]
        for name in full or waiting:
            rates[name] = 1.0 if full else left * SHARES[name] / weight / sizes[name]
        if not full:
            break
        left -= sum(sizes[name] for name in full)
        waiting = [name for name in waiting if name not in full]
    return rates

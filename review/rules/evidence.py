"""What may be counted for and against a version: labels by how they were drawn, and bounds that hold at every look.
Pure; called by the automation slice.

The unit is a layer: items that had the same probability of being drawn. Within a layer labels are an even sample, so
its rate is a plain share; over layers the shares are known from counts. Nothing here estimates a variance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from review.rules.anytime import Layer, stratified_bounds, stratified_sequence
from review.rules.intervals import Interval

#: Scores are counted in fiftieths; -1: no score that is a probability.
BINS = 50
NO_SCORE = -1
#: A projection beyond this many more labels is no plan.
MOST_LABELS = 1_000_000

EscapeOf = Literal["passed", "defects"]
Reason = Literal["no_labels", "unlabelled_layer", "no_items", "no_pairs"]


@dataclass(frozen=True, slots=True)
class Items:
    """`n` answers of one side (called positive or not) and one bin of confidence."""

    says_positive: bool
    bin: int
    n: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """Items that were drawn for review with probability `pi`, and what people said blind of those they labelled.

    `n_right`: the answer was right; `n_positive`: people called the item positive. `n_pairs`: two people judged it; the
    model agreed with the first where the second did not (`n_won`), or the other way round (`n_lost`).
    """

    pi: float
    says_positive: bool
    bin: int
    n_drawn: int = 0
    n_labels: int = 0
    n_right: int = 0
    n_positive: int = 0
    n_pairs: int = 0
    n_won: int = 0
    n_lost: int = 0


Count = Callable[[Drawn], int]


@dataclass(frozen=True, slots=True)
class Counts:
    """Everything that a gate on labels looks at, for one version over one stretch of time."""

    items: tuple[Items, ...] = ()
    drawn: tuple[Drawn, ...] = ()

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Counts:
        """From its JSON form."""
        items, drawn = document.get("items", ()), document.get("drawn", ())
        return cls(tuple(Items(**one) for one in items), tuple(Drawn(**one) for one in drawn))

    def written(self) -> dict[str, Any]:
        """As JSON, in a fixed order."""
        items = sorted(self.items, key=lambda one: (one.says_positive, one.bin))
        drawn = sorted(self.drawn, key=lambda one: (one.pi, one.says_positive, one.bin))
        return {"items": [asdict(one) for one in items], "drawn": [asdict(one) for one in drawn]}

    def part(self, keep: Callable[[Items | Drawn], bool]) -> Counts:
        """The counts of some sides and bins."""
        return Counts(tuple(filter(keep, self.items)), tuple(filter(keep, self.drawn)))

    @property
    def n_items(self) -> int:
        return sum(one.n for one in self.items)

    @property
    def n_labels(self) -> int:
        return sum(one.n_labels for one in self.drawn)

    def shares(self) -> dict[float, float]:
        """The part of all items that each probability stands for; items that were sure to be drawn are counted.

        Those of the others share what is left in proportion to drawn / pi. Items without any chance shown by a draw
        stand under 0: nothing is known of them.
        """
        by_pi: dict[float, int] = {}
        for one in self.drawn:
            by_pi[one.pi] = by_pi.get(one.pi, 0) + one.n_drawn
        sure = by_pi.get(1.0, 0)
        total = max(self.n_items, sure)
        if not total:
            return {}
        worth = {pi: n / pi for pi, n in by_pi.items() if pi < 1.0 and n}
        rest = total - sure
        found = {1.0: sure / total} if sure else {}
        if worth:
            found |= {pi: rest / total * one / sum(worth.values()) for pi, one in worth.items()}
        elif rest:
            found[0.0] = rest / total
        return dict(sorted(found.items()))

    def layers(self, hits: Count, of: Count = lambda one: one.n_labels) -> list[Layer]:
        """One layer per probability: its share, how many hits, of how many."""
        return [
            Layer(
                share,
                sum(hits(one) for one in self.drawn if one.pi == pi),
                sum(of(one) for one in self.drawn if one.pi == pi),
            )
            for pi, share in self.shares().items()
            if share > 0
        ]


@dataclass(frozen=True, slots=True)
class Figure:
    """A rate with bounds that hold at all looks at once; `value` is None, with the reason, while it is undefined."""

    value: float | None
    lower: float
    upper: float
    n: int
    reason: Reason | None = None


def estimate(layers: Iterable[Layer]) -> float | None:
    """sum share x hits / n; None while a layer has no label."""
    parts = list(layers)
    if not parts or any(one.n == 0 for one in parts):
        return None
    return sum(one.share * one.hits / one.n for one in parts)


def accuracy(counts: Counts, alpha: float) -> Figure:
    """The share of answers that were right."""
    return _figure(counts.layers(lambda one: one.n_right), alpha, counts.n_labels)


def escape(counts: Counts, of: EscapeOf, alpha: float) -> Figure:
    """Missed positives among what the version passed, FN / (FN + TN), or among all positives, FN / (TP + FN).

    What was passed is known of every item, so the first is a rate over layers. The second combines the bounds of the
    missed and of the caught at alpha / 2 each: they lie on different items, and both hold together.
    """
    passed, flagged = counts.part(lambda one: not one.says_positive), counts.part(lambda one: one.says_positive)
    missed = passed.layers(lambda one: one.n_positive)
    if of == "passed":
        return _figure(missed, alpha, passed.n_labels)
    caught = flagged.layers(lambda one: one.n_positive)
    total = counts.n_items or 1
    parts = [(passed.n_items / total, missed), (flagged.n_items / total, caught)]
    fn, tp = (_scaled(share, stratified_sequence(layers, alpha / 2)) for share, layers in parts)
    values = [(estimate(layers) if share else 0.0) for share, layers in parts]
    n = sum(one.n_positive for one in counts.drawn)
    value = None
    if values[0] is not None and values[1] is not None:
        positives = parts[0][0] * values[0] + parts[1][0] * values[1]
        value = parts[0][0] * values[0] / positives if positives else None
    lower = fn.lower / (fn.lower + tp.upper) if fn.lower + tp.upper else 0.0
    upper = fn.upper / (fn.upper + tp.lower) if fn.upper + tp.lower else 1.0
    return Figure(value, lower, upper, n, None if value is not None else _why(counts, [*missed, *caught]))


def non_inferiority(counts: Counts, alpha: float) -> Figure:
    """How much more often the model agrees with one inspector than a second inspector does; -1 to 1.

    The bounds of "won" and "lost" at alpha / 2 each, over the subjects that two people judged blind.
    """
    won, lost = (
        counts.layers(hits, lambda one: one.n_pairs) for hits in (lambda one: one.n_won, lambda one: one.n_lost)
    )
    n = sum(one.n_pairs for one in counts.drawn)
    if not n:
        return Figure(None, -1.0, 1.0, 0, "no_pairs")
    better, worse = stratified_sequence(won, alpha / 2), stratified_sequence(lost, alpha / 2)
    rates = estimate(won), estimate(lost)
    value = None if rates[0] is None or rates[1] is None else rates[0] - rates[1]
    reason: Reason | None = None if value is not None else "unlabelled_layer"
    return Figure(value, better.lower - worse.upper, better.upper - worse.lower, n, reason)


@dataclass(frozen=True, slots=True)
class Projection:
    """How many more labels a gate needs if what comes is like what came; None: never, or beyond any plan.

    `is_least`: nothing is known yet, and even without one mistake it takes as many.
    """

    n_more: int | None
    is_least: bool = False


def labels_to(layers: Iterable[Layer], target: float, alpha: float, *, below: bool = False) -> Projection:
    """How many more labels until the lower bound reaches the target (`below`: until the upper bound falls to it).

    Projected from the present rates, with labels coming to the layers as they did; a layer without any is taken to be
    like the rest and gets labels by its share. Where the estimate itself is on the wrong side, more labels do not help.
    """
    known = [Layer(one.share, one.n - one.hits, one.n) if below else one for one in layers]
    wanted = 1 - target if below else target
    n = sum(one.n for one in known)
    is_least = not n
    filled = _filled(known) if n else [Layer(one.share, one.share, one.share) for one in known or [Layer(1.0, 1, 1)]]
    rate = estimate(filled)
    if rate is None or rate <= wanted:
        return Projection(None)
    total = sum(one.n for one in filled)
    low, high = (1.0 if n else 0.0), (MOST_LABELS + n) / total
    if not _reaches(filled, [high], wanted, alpha)[0]:
        return Projection(None, is_least)
    for _ in range(3):  # a grid of factors at once: three rounds leave less than one part in a thousand
        grid = np.geomspace(max(low, 1 / total), high, 33)
        place = int(np.argmax(_reaches(filled, grid, wanted, alpha)))
        low, high = (float(grid[max(0, place - 1)]), float(grid[place]))
    return Projection(max(1, int(np.ceil(high * total - n))), is_least)


def _reaches(layers: list[Layer], factors: Any, wanted: float, alpha: float) -> Any:
    share, hits, n = (np.array(column, dtype=float) for column in zip(*layers, strict=True))
    times = np.asarray(factors, dtype=float)[None, :]
    return stratified_bounds(share, hits[:, None] * times, n[:, None] * times, alpha)[0] >= wanted


def _filled(layers: list[Layer]) -> list[Layer]:
    labelled = [one for one in layers if one.n]
    rate = sum(one.share * one.hits / one.n for one in labelled) / sum(one.share for one in labelled)
    n = sum(one.n for one in labelled)
    return [one if one.n else Layer(one.share, one.share * n * rate, one.share * n) for one in layers]


def _figure(layers: list[Layer], alpha: float, n: int) -> Figure:
    bounds = stratified_sequence(layers, alpha)
    value = estimate(layers)
    reason: Reason | None = None
    if value is None:
        reason = "no_items" if not layers else "no_labels" if not n else "unlabelled_layer"
    return Figure(value, bounds.lower, bounds.upper, n, reason)


def _why(counts: Counts, layers: list[Layer]) -> Reason:
    if not counts.n_items:
        return "no_items"
    return "unlabelled_layer" if counts.n_labels and any(one.n == 0 for one in layers) else "no_labels"


def _scaled(share: float, bounds: Interval) -> Interval:
    return Interval(share * bounds.lower, share * bounds.upper)

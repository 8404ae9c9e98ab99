"""What an inspector (a person or a model) lets through and stops for nothing, against the truth. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from review.rules.intervals import Interval, wilson


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of `n` items with its Wilson interval; `value` is None when there were none."""

    n_hits: int
    n: int

    @property
    def value(self) -> float | None:
        return self.n_hits / self.n if self.n else None

    @property
    def interval(self) -> Interval | None:
        return wilson(self.n_hits, self.n)


@dataclass(frozen=True, slots=True)
class Inspection:
    """Counts of one inspector's answers against the truth; "positive" is a defect.

    Escape has two definitions in use, so both are named: of the defective items, and of the passed ones.

    >>> Inspection(true_positive=45, false_negative=5, false_positive=10, true_negative=940).miss.value
    0.1
    """

    true_positive: int
    false_negative: int
    false_positive: int
    true_negative: int

    @property
    def miss(self) -> Rate:
        """Defective items that were passed, of all defective: FN / (TP + FN)."""
        return Rate(self.false_negative, self.true_positive + self.false_negative)

    @property
    def escape_of_defects(self) -> Rate:
        """Escape, first definition: the same as the miss rate, FN / (TP + FN)."""
        return self.miss

    @property
    def escape_of_passed(self) -> Rate:
        """Escape, second definition: defective items among the passed ones, FN / (FN + TN)."""
        return Rate(self.false_negative, self.false_negative + self.true_negative)

    @property
    def overkill(self) -> Rate:
        """Good items that were stopped, of all good: FP / (FP + TN)."""
        return Rate(self.false_positive, self.false_positive + self.true_negative)

    @property
    def false_call(self) -> Rate:
        """Good items among the stopped ones: FP / (TP + FP)."""
        return Rate(self.false_positive, self.true_positive + self.false_positive)

    @property
    def first_pass_yield(self) -> Rate:
        """Items passed at once, of all: (FN + TN) / all."""
        return Rate(self.false_negative + self.true_negative, self._n)

    @property
    def effectiveness(self) -> Rate:
        """Right answers, of all: (TP + TN) / all."""
        return Rate(self.true_positive + self.true_negative, self._n)

    @property
    def _n(self) -> int:
        return self.true_positive + self.false_negative + self.false_positive + self.true_negative


def count_inspection(says_defect: list[bool], is_defect: list[bool]) -> Inspection:
    """Count an inspector's answers against the truth, item by item."""
    pairs = list(zip(says_defect, is_defect, strict=True))
    return Inspection(
        true_positive=pairs.count((True, True)),
        false_negative=pairs.count((False, True)),
        false_positive=pairs.count((True, False)),
        true_negative=pairs.count((False, False)),
    )

"""What an inspector (a person or a model) lets through and stops for nothing, against the truth. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

from review.rules.intervals import Interval, wilson

_NORMAL = NormalDist()


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


class Detection(NamedTuple):
    """How well a judge tells defects from good items (d'), and where they draw the line (c > 0: slow to call one)."""

    d_prime: float
    criterion: float


def detection(hit_rate: float, false_alarm_rate: float) -> Detection:
    """d' = z(H) - z(F) and c = -(z(H) + z(F)) / 2, from rates strictly between 0 and 1.

    Macmillan and Creelman, Detection Theory (2005), chapters 1 and 2.

    >>> [round(value, 4) for value in detection(0.77, 0.02)]
    [2.7926, 0.6575]
    """
    if not (0 < hit_rate < 1 and 0 < false_alarm_rate < 1):
        raise ValueError("rates of 0 and 1 have no z: correct them first, as detection_of does")
    hit, alarm = _NORMAL.inv_cdf(hit_rate), _NORMAL.inv_cdf(false_alarm_rate)
    return Detection(hit - alarm, -(hit + alarm) / 2)


def detection_of(counts: Inspection) -> Detection | None:
    """d' and c of counted answers; None without both defects and good items.

    Half an answer is added to each count (log-linear correction), so that a perfect record stays finite.
    Hautus, Behavior Research Methods 27 (1995) 46.
    """
    n_defects = counts.true_positive + counts.false_negative
    n_good = counts.false_positive + counts.true_negative
    if not n_defects or not n_good:
        return None
    return detection((counts.true_positive + 0.5) / (n_defects + 1), (counts.false_positive + 0.5) / (n_good + 1))


class Capture(NamedTuple):
    """Defects there probably are, found or not, with a 95 % interval, and how many of them both judges missed.

    Without an interval where one judge found everything that the other found: then the estimate has no spread.
    """

    n_estimated: float
    lower: float | None
    upper: float | None
    n_found: int

    @property
    def n_missed(self) -> float:
        return max(0.0, self.n_estimated - self.n_found)


def capture_recapture(n_first: int, n_second: int, n_both: int, confidence: float = 0.95) -> Capture:
    """How many defects two judges who looked independently at the same items left unseen together (Chapman).

    N = (n1 + 1)(n2 + 1) / (m + 1) - 1. Defects that are easy for one are mostly easy for the other, so take it as a
    lower estimate. The interval takes the unseen number as log-normal, so it never goes below what was found.
    Chapman, Univ. California Publ. Statist. 1 (1951) 131; Seber (1970) for the variance; Chao (1987) for the interval.

    >>> round(capture_recapture(42, 38, 33).n_estimated, 2)
    48.32
    """
    if not 0 <= n_both <= min(n_first, n_second):
        raise ValueError("both found at most as many as either")
    estimated = (n_first + 1) * (n_second + 1) / (n_both + 1) - 1
    found = n_first + n_second - n_both
    only_first, only_second = n_first - n_both, n_second - n_both
    variance = (n_first + 1) * (n_second + 1) * only_first * only_second / ((n_both + 1) ** 2 * (n_both + 2))
    unseen = estimated - found
    if unseen <= 0 or variance <= 0:
        return Capture(estimated, None, None, found)
    z = _NORMAL.inv_cdf(0.5 + confidence / 2)
    factor = math.exp(z * math.sqrt(math.log(1 + variance / unseen**2)))
    return Capture(estimated, found + unseen / factor, found + unseen * factor, found)


class Assisted(NamedTuple):
    """One item answered blind, then again with the machine's answer in sight; each right or wrong."""

    is_first_right: bool
    is_machine_right: bool
    is_final_right: bool


@dataclass(frozen=True, slots=True)
class Assistance:
    """What seeing the machine's answer did: `bias`, right answers given up for a wrong one; `benefit`, wrong answers
    put right; `first` and `final`, how often people were right before and after."""

    bias: Rate
    benefit: Rate
    first: Rate
    final: Rate


def count_assistance(items: Iterable[Assisted]) -> Assistance:
    """Automation bias: final wrong, of first right and machine wrong. Benefit: final right, of first wrong and machine
    right.

    >>> count_assistance([Assisted(True, False, False), Assisted(False, True, True)]).bias.value
    1.0
    """
    found = list(items)
    misled = [one.is_final_right for one in found if one.is_first_right and not one.is_machine_right]
    helped = [one.is_final_right for one in found if not one.is_first_right and one.is_machine_right]
    return Assistance(
        bias=Rate(misled.count(False), len(misled)),
        benefit=Rate(helped.count(True), len(helped)),
        first=Rate(sum(one.is_first_right for one in found), len(found)),
        final=Rate(sum(one.is_final_right for one in found), len(found)),
    )

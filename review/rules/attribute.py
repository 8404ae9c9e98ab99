"""Attribute agreement analysis: does each judge agree with themself, with the others and with the standard, and is
that good enough by the limits of AIAG's Measurement Systems Analysis (4th ed., III.C). Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from review.rules.inspection import Inspection, Rate
from review.rules.intervals import Interval, clopper_pearson

Verdict = Literal["acceptable", "marginal", "unacceptable"]
Criterion = Literal["effectiveness", "miss", "false_alarm"]
VERDICTS: tuple[Verdict, ...] = ("acceptable", "marginal", "unacceptable")
CRITERIA: tuple[Criterion, ...] = ("effectiveness", "miss", "false_alarm")


class Limits(NamedTuple):
    """Where "acceptable" and "marginal" end; both limits belong to the better side."""

    acceptable: float
    marginal: float
    is_high_good: bool

    def verdict(self, value: float) -> Verdict:
        """The verdict on a share.

        >>> LIMITS["miss"].verdict(0.03)
        'marginal'
        """
        if self.is_high_good:
            return VERDICTS[(value < self.acceptable) + (value < self.marginal)]
        return VERDICTS[(value > self.acceptable) + (value > self.marginal)]


#: AIAG's limits: effectiveness at least 90 / 80 %, miss at most 2 / 5 %, false alarm at most 5 / 10 %.
LIMITS: Mapping[Criterion, Limits] = {
    "effectiveness": Limits(0.90, 0.80, True),
    "miss": Limits(0.02, 0.05, False),
    "false_alarm": Limits(0.05, 0.10, False),
}


class Answer(NamedTuple):
    """One answer of one judge about one subject, with the subject's standard where there is one."""

    judge: str
    subject: str
    label: str
    standard: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A share with its exact (Clopper-Pearson) interval and the verdict, both None where nothing was counted.

    `is_sure`: the whole interval lies within the verdict; otherwise more answers may change it.
    """

    criterion: Criterion
    rate: Rate

    @property
    def interval(self) -> Interval | None:
        return clopper_pearson(self.rate.n_hits, self.rate.n)

    @property
    def verdict(self) -> Verdict | None:
        return LIMITS[self.criterion].verdict(self.rate.value) if self.rate.value is not None else None

    @property
    def is_sure(self) -> bool:
        interval = self.interval
        return interval is not None and len({LIMITS[self.criterion].verdict(bound) for bound in interval}) == 1


@dataclass(frozen=True, slots=True)
class AgainstStandard:
    """A judge against the standard.

    Effectiveness counts subjects: right means that every answer of the judge about it was the standard's. Miss and
    false alarm count single answers about defective and about good subjects.
    """

    effectiveness: Judged
    miss: Judged
    false_alarm: Judged
    counts: Inspection

    @property
    def verdict(self) -> Verdict | None:
        """The worst of the three; None where there is no standard."""
        return worst(one.verdict for one in (self.effectiveness, self.miss, self.false_alarm))


def worst(verdicts: Iterable[Verdict | None]) -> Verdict | None:
    """The worst verdict there is.

    >>> worst(["acceptable", None, "marginal"])
    'marginal'
    """
    found = [VERDICTS.index(one) for one in verdicts if one is not None]
    return VERDICTS[max(found)] if found else None


def within_judges(answers: Iterable[Answer]) -> dict[str, Rate]:
    """Each judge with themself: of the subjects answered twice or more, on how many all answers were the same.

    >>> within_judges([Answer("an", "b1", "ok"), Answer("an", "b1", "ng")])
    {'an': Rate(n_hits=0, n=1)}
    """
    found: dict[str, list[bool]] = {}
    for (judge, _), labels in _by_judge_and_subject(answers).items():
        agreed = found.setdefault(judge, [])
        if len(labels) >= 2:
            agreed.append(len(set(labels)) == 1)
    return {judge: Rate(sum(agreed), len(agreed)) for judge, agreed in found.items()}


def between_judges(answers: Iterable[Answer]) -> Rate:
    """Of the subjects that two judges or more answered, on how many everybody always said the same.

    >>> between_judges([Answer("an", "b1", "ok"), Answer("binh", "b1", "ok"), Answer("an", "b2", "ok")])
    Rate(n_hits=1, n=1)
    """
    shared = [labels for labels, judges, _ in _by_subject(answers).values() if len(judges) >= 2]
    return Rate(sum(len(labels) == 1 for labels in shared), len(shared))


def all_against_standard(answers: Iterable[Answer]) -> Rate:
    """Of the subjects with a standard that two judges or more answered, on how many everybody always said it."""
    shared = [
        labels == {standard}
        for labels, judges, standard in _by_subject(answers).values()
        if len(judges) >= 2 and standard is not None
    ]
    return Rate(sum(shared), len(shared))


def against_standard(answers: Sequence[Answer], defects: frozenset[str]) -> AgainstStandard:
    """The answers of one judge (or of a team, judge by judge) against the standard.

    `defects` are the labels that stand for a defect; without any, or without good labels, miss and false alarm count
    nothing. An answer that names another kind of defect is not effective but is no miss.
    """
    known = [answer for answer in answers if answer.standard is not None]
    right: dict[tuple[str, str], bool] = {}
    counts = {"tp": 0, "fn": 0, "fp": 0, "tn": 0}
    for answer in known:
        place = answer.judge, answer.subject
        right[place] = right.get(place, True) and answer.label == answer.standard
        says, is_defect = answer.label in defects, answer.standard in defects
        counts[("t" if says == is_defect else "f") + ("p" if says else "n")] += 1
    found = Inspection(counts["tp"], counts["fn"], counts["fp"], counts["tn"]) if defects else Inspection(0, 0, 0, 0)
    return AgainstStandard(
        effectiveness=Judged("effectiveness", Rate(sum(right.values()), len(right))),
        miss=Judged("miss", found.miss),
        false_alarm=Judged("false_alarm", found.overkill),
        counts=found,
    )


def _by_judge_and_subject(answers: Iterable[Answer]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for answer in answers:
        found[answer.judge, answer.subject].append(answer.label)
    return found


def _by_subject(answers: Iterable[Answer]) -> dict[str, tuple[set[str], set[str], str | None]]:
    """Subject -> the labels it was given, by which judges, and its standard."""
    found: dict[str, tuple[set[str], set[str], str | None]] = {}
    for answer in answers:
        labels, judges, _ = found.setdefault(answer.subject, (set(), set(), answer.standard))
        labels.add(answer.label)
        judges.add(answer.judge)
    return found

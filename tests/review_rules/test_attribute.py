"""Attribute agreement against the published summary of AIAG's study of three appraisers, and counted by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from review.rules import attribute
from review.rules.attribute import LIMITS, Answer
from review.rules.inspection import Rate

DEFECTS = frozenset({"ng"})


def appraiser(name: str, n_mixed: int, n_missed: int, n_false: int) -> list[Answer]:
    """Three trials of 50 parts, 16 of them defective: `n_mixed` parts got a wrong answer, so many misses and false
    alarms in all, as in the summary tables of the study."""
    parts = [(f"p{number}", "ng" if number < 16 else "ok") for number in range(50)]
    said = {part: [standard] * 3 for part, standard in parts}
    standard_of = dict(parts)
    bad, good = [part for part, s in parts if s == "ng"], [part for part, s in parts if s == "ok"]
    n_bad = next(b for b in range(n_mixed) if b <= n_missed <= 2 * b and n_mixed - b <= n_false <= 2 * (n_mixed - b))
    wrong = [(part, "ok") for part in (bad[:n_bad] * 2)[:n_missed]]
    wrong += [(part, "ng") for part in (good[: n_mixed - n_bad] * 2)[:n_false]]
    for part, label in wrong:
        said[part][said[part].index(standard_of[part])] = label
    return [Answer(name, part, label, standard_of[part]) for part, labels in said.items() for label in labels]


STUDY = {
    # mixed parts, misses of 48, false alarms of 102 -> effectiveness, its interval, and the three verdicts
    "A": ((8, 3, 5), 0.84, (0.71, 0.93), ("marginal", "unacceptable", "acceptable")),
    "B": ((5, 3, 2), 0.90, (0.78, 0.97), ("acceptable", "unacceptable", "acceptable")),
    "C": ((10, 6, 9), 0.80, (0.66, 0.90), ("marginal", "unacceptable", "marginal")),
}
MISS = {"A": 0.0625, "B": 0.0625, "C": 0.125}
FALSE_ALARM = {"A": 0.049, "B": 0.0196, "C": 0.0882}


@pytest.mark.parametrize("name", sorted(STUDY))
def test_the_published_study_is_reproduced(name: str) -> None:
    margins, effectiveness, interval, verdicts = STUDY[name]
    found = attribute.against_standard(appraiser(name, *margins), DEFECTS)
    assert found.effectiveness.rate.value == pytest.approx(effectiveness)
    assert found.effectiveness.interval == pytest.approx(interval, abs=0.006)
    assert found.miss.rate.value == pytest.approx(MISS[name], abs=5e-4)
    assert found.false_alarm.rate.value == pytest.approx(FALSE_ALARM[name], abs=5e-4)
    assert (found.effectiveness.verdict, found.miss.verdict, found.false_alarm.verdict) == verdicts
    assert found.verdict == "unacceptable"


@pytest.mark.parametrize(
    ("criterion", "hits", "n", "verdict"),
    [
        ("effectiveness", 90, 100, "acceptable"),
        ("effectiveness", 899, 1000, "marginal"),
        ("effectiveness", 8, 10, "marginal"),
        ("effectiveness", 799, 1000, "unacceptable"),
        ("miss", 1, 50, "acceptable"),
        ("miss", 21, 1000, "marginal"),
        ("miss", 3, 60, "marginal"),
        ("miss", 51, 1000, "unacceptable"),
        ("false_alarm", 1, 20, "acceptable"),
        ("false_alarm", 51, 1000, "marginal"),
        ("false_alarm", 7, 70, "marginal"),
        ("false_alarm", 101, 1000, "unacceptable"),
    ],
)
def test_limits_belong_to_the_better_side(criterion: attribute.Criterion, hits: int, n: int, verdict: str) -> None:
    assert LIMITS[criterion].verdict(hits / n) == verdict
    assert attribute.Judged(criterion, Rate(hits, n)).verdict == verdict


def test_a_verdict_is_sure_only_where_its_whole_interval_lies_within_it() -> None:
    for hits, n in ((9, 10), (95, 100), (190, 200), (85, 100), (850, 1000), (60, 100), (79, 100)):
        bounds = stats.binomtest(hits, n).proportion_ci(method="exact")
        inside = {
            "acceptable" if bound >= 0.9 else "marginal" if bound >= 0.8 else "unacceptable"
            for bound in (bounds.low, bounds.high)
        }
        found = attribute.Judged("effectiveness", Rate(hits, n))
        assert found.interval == pytest.approx((bounds.low, bounds.high), abs=1e-9)
        assert found.is_sure is (len(inside) == 1)


def test_random_answers_are_counted_as_by_hand() -> None:
    rng = np.random.default_rng(5)
    labels = ["ok", "ng", "scratch"]
    standard = {f"s{i}": str(rng.choice(labels)) if i % 3 else None for i in range(60)}
    answers = [
        Answer(judge, subject, str(rng.choice(labels, p=[0.6, 0.3, 0.1])), standard[subject])
        for judge, subject, _ in product("xyz", standard, range(2))
        if rng.random() < 0.7
    ]
    within = attribute.within_judges(answers)
    between, right = attribute.between_judges(answers), attribute.all_against_standard(answers)
    n_between = n_same = n_right = n_known = 0
    for subject, true in standard.items():
        given = [(one.judge, one.label) for one in answers if one.subject == subject]
        if len({judge for judge, _ in given}) < 2:
            continue
        n_between += 1
        n_same += len({label for _, label in given}) == 1
        n_known += true is not None
        n_right += true is not None and {label for _, label in given} == {true}
    assert (between.n_hits, between.n) == (n_same, n_between)
    assert (right.n_hits, right.n) == (n_right, n_known)
    for judge in "xyz":
        own = {s: [one.label for one in answers if (one.judge, one.subject) == (judge, s)] for s in standard}
        twice = [said for said in own.values() if len(said) == 2]
        assert (within[judge].n_hits, within[judge].n) == (sum(a == b for a, b in twice), len(twice))


def test_another_kind_of_defect_is_not_right_but_is_no_miss() -> None:
    found = attribute.against_standard([Answer("x", "s", "scratch", "dent")], frozenset({"scratch", "dent"}))
    assert found.effectiveness.rate.value == 0.0
    assert found.miss.rate.value == 0.0
    assert found.false_alarm.rate.value is None


def test_nothing_to_count_has_no_verdict() -> None:
    found = attribute.against_standard([Answer("x", "s", "ok")], DEFECTS)
    assert found.verdict is None
    assert found.effectiveness.interval is None
    assert found.effectiveness.is_sure is False
    no_defects = attribute.against_standard([Answer("x", "s", "cat", "cat")], frozenset())
    assert no_defects.miss.verdict is None
    assert no_defects.verdict == "acceptable"
    assert attribute.within_judges([]) == {}
    assert attribute.between_judges([]).value is None

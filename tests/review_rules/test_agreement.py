"""Agreement coefficients against published vectors; undefined cases are null with a reason."""

from __future__ import annotations

import numpy as np
import pytest

from review.rules import agreement as rules
from review.rules.inspection import Inspection, count_inspection

NAN = float("nan")
#: The classic table of four judges and twelve subjects with gaps.
CLASSIC = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]


@pytest.mark.parametrize(
    ("matrix", "po", "kappa", "pi", "ac1"),
    [
        ([[130, 56], [9, 5]], 0.6750, 0.0220, -0.0667, 0.5326),
        ([[1, 4], [5, 990]], 0.9910, 0.1773, None, 0.9909),
        ([[40, 9], [6, 45]], None, 0.6995, None, 0.7007),
        ([[20, 5], [10, 15]], None, 0.4000, 0.3939, 0.4059),
    ],
)
def test_two_judges_match_the_published_coefficients(matrix, po, kappa, pi, ac1) -> None:
    found = {
        "po": rules.observed_agreement(matrix).value,
        "kappa": rules.cohen_kappa(matrix).value,
        "pi": rules.scott_pi(matrix).value,
        "ac1": rules.gwet_ac1(matrix).value,
    }
    expected = {"po": po, "kappa": kappa, "pi": pi, "ac1": ac1}
    for name, value in expected.items():
        if value is not None:
            assert found[name] == pytest.approx(value, abs=1e-3), name


def test_positive_agreement_shows_what_a_rare_class_hides() -> None:
    assert rules.positive_agreement([[1, 4], [5, 990]]).value == pytest.approx(0.1818, abs=1e-3)


@pytest.mark.parametrize(("weights", "expected"), [("none", 0.5556), ("linear", 0.7241), ("quadratic", 0.8571)])
def test_weighted_kappa_matches_the_published_values(weights, expected) -> None:
    a = [1, 2, 3, 3, 2, 1, 4, 1, 2, 4, 2, 3]
    b = [1, 2, 3, 4, 2, 2, 4, 1, 3, 4, 1, 3]
    matrix = rules.confusion_matrix(a, b, [1, 2, 3, 4])
    assert rules.cohen_kappa(matrix, weights).value == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("level", "expected"), [("nominal", 0.7434), ("ordinal", 0.8154), ("interval", 0.8491), ("ratio", 0.7974)]
)
def test_krippendorff_matches_the_classic_table(level, expected) -> None:
    assert rules.krippendorff_alpha(CLASSIC, level).value == pytest.approx(expected, abs=1e-3)


def test_krippendorff_interval_holds_the_estimate_and_repeats_under_a_seed() -> None:
    first = rules.krippendorff_interval(CLASSIC, np.random.default_rng(3), n_resamples=300)
    assert first == rules.krippendorff_interval(CLASSIC, np.random.default_rng(3), n_resamples=300)
    assert first is not None
    assert first.lower < 0.7434 < first.upper


def test_fleiss_matches_the_textbook_table() -> None:
    table = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    assert rules.fleiss_kappa(table).value == pytest.approx(0.210, abs=1e-3)


def test_mcnemar_exact_matches_the_published_p() -> None:
    assert rules.mcnemar_exact(18, 6).value == pytest.approx(0.02266, abs=1e-4)


@pytest.mark.parametrize("coefficient", [rules.cohen_kappa, rules.scott_pi, rules.gwet_ac1])
def test_one_class_only_is_undefined_and_says_so(coefficient) -> None:
    value, reason = coefficient([[50, 0], [0, 0]])
    assert value is None
    assert reason == rules.ONE_CLASS


@pytest.mark.parametrize("coefficient", [rules.observed_agreement, rules.cohen_kappa, rules.scott_pi, rules.gwet_ac1])
@pytest.mark.parametrize("matrix", [[[0, 0], [0, 0]], []])
def test_no_pairs_is_undefined_and_says_so(coefficient, matrix) -> None:
    assert coefficient(matrix) == (None, rules.NO_PAIRS)


def test_undefined_tables_of_many_judges_have_reasons() -> None:
    assert rules.krippendorff_alpha([[1, 1, 1], [1, 1, 1]]).reason == rules.ONE_CLASS
    assert rules.krippendorff_alpha([[1, NAN], [NAN, 2]]).reason == "no subject with two answers"
    assert rules.krippendorff_alpha([[NAN, NAN]]).reason == "no subject with two answers"
    assert rules.fleiss_kappa([[3, 0], [3, 0]]).reason == rules.ONE_CLASS
    assert rules.fleiss_kappa([[3, 0], [1, 1]]).value is None
    assert rules.fleiss_kappa([]).reason == rules.NO_PAIRS
    assert rules.mcnemar_exact(0, 0).value is None
    assert rules.positive_agreement([[0, 0], [0, 9]]).value is None


def test_inspection_rates_name_both_escapes() -> None:
    counts = Inspection(true_positive=45, false_negative=5, false_positive=10, true_negative=940)
    assert counts.miss.value == counts.escape_of_defects.value == pytest.approx(0.1)
    assert counts.escape_of_passed.value == pytest.approx(5 / 945)
    assert counts.overkill.value == pytest.approx(10 / 950)
    assert counts.false_call.value == pytest.approx(10 / 55)
    assert counts.effectiveness.value == pytest.approx(0.985)
    assert counts.first_pass_yield.value == pytest.approx(0.945)


def test_inspection_without_defects_has_no_miss_rate() -> None:
    counts = count_inspection([True, False], [False, False])
    assert counts.miss.value is None
    assert counts.miss.interval is None
    assert counts.overkill.value == 0.5

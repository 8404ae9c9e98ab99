"""The review policy: inclusion probabilities hold by simulation, draws are deterministic, nonsense is refused."""

from __future__ import annotations

import pytest

from review.rules.sampling import Answer, ReviewPolicy, draw, stratum_of, unit

PLAIN = Answer(is_null=False, disagrees=False, score=0.99)
LOW = Answer(is_null=False, disagrees=False, score=0.2)


@pytest.mark.parametrize(
    ("answer", "expected"), [(PLAIN, 0.05), (LOW, 0.4), (Answer(False, True, 0.99), 0.7), (Answer(True, True, None), 1)]
)
def test_the_stored_probability_is_the_share_really_picked(answer: Answer, expected: float) -> None:
    policy = ReviewPolicy(epsilon=0.05, rates={"null_output": 1, "disagreement": 0.7, "low_confidence": 0.4})
    n = 20_000
    draws = [draw(policy, f"subject-{i}", answer) for i in range(n)]
    assert {one.pi for one in draws} == {expected}
    share = sum(one.is_picked for one in draws) / n
    assert abs(share - expected) <= 4 * (expected * (1 - expected) / n) ** 0.5


def test_weighting_by_the_inverse_probability_recovers_a_mean_that_the_picked_items_miss() -> None:
    policy = ReviewPolicy(epsilon=0.1)
    n = 20_000
    truth, picked, weighted = 0, [], 0.0
    for i in range(n):
        is_hard = unit(5, f"hard{i}") < 0.1
        is_right = unit(5, f"right{i}") < (0.5 if is_hard else 0.98)
        truth += is_right
        verdict = draw(policy, f"s{i}", LOW if is_hard else PLAIN)
        if verdict.is_picked:
            picked.append(is_right)
            weighted += is_right / verdict.pi
    assert abs(sum(picked) / len(picked) - truth / n) > 0.1
    assert weighted / n == pytest.approx(truth / n, abs=0.06)  # three standard errors


def test_no_answer_is_without_a_chance() -> None:
    policy = ReviewPolicy(epsilon=0.03, rates={"null_output": 0, "disagreement": 0, "low_confidence": 0})
    answers = [PLAIN, LOW, Answer(True, False, None), Answer(False, True, None)]
    assert {draw(policy, "s", answer).pi for answer in answers} == {0.03}


def test_the_same_seed_picks_the_same_items_and_another_seed_others() -> None:
    picked = [
        {i for i in range(2_000) if draw(ReviewPolicy(epsilon=0.1, seed=seed), f"s{i}", PLAIN).is_picked}
        for seed in (1, 1, 2)
    ]
    assert picked[0] == picked[1]
    assert picked[0] != picked[2]


def test_strata_come_in_order_of_gravity() -> None:
    policy = ReviewPolicy()
    assert stratum_of(policy, Answer(True, True, 0.1)) == "null_output"
    assert stratum_of(policy, Answer(False, True, 0.1)) == "disagreement"
    assert stratum_of(policy, Answer(False, False, 0.1)) == "low_confidence"
    assert stratum_of(policy, Answer(False, False, None)) == "rest"


@pytest.mark.parametrize(
    "given", [{"epsilon": 0}, {"epsilon": 2}, {"rates": {"rest": 1.5}}, {"mode": "open"}, {"n_wanted": 0}, {"typo": 1}]
)
def test_a_policy_that_makes_no_sense_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        ReviewPolicy.declared({"review_policy": given})


def test_any_change_of_the_policy_changes_its_id() -> None:
    assert ReviewPolicy().id == ReviewPolicy.declared({}).id
    assert len({ReviewPolicy().id, ReviewPolicy(epsilon=0.03).id, ReviewPolicy(low_score=0.5).id}) == 3

"""What the bench shows of an item: ranges, rows like it, marks, word errors, and when the machine's answer comes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from db.eventlog.feature_bins import make_bins
from review.rules.marks import boxes_in, segments_in, spans_in
from review.rules.neighbours import distance, nearest, spans_of
from review.rules.reference_range import range_of, state_of_category, state_of_number
from review.rules.showing import blind_share, hypotheses, shows
from review.rules.transcripts import word_error_rate, words_of


def test_the_quantiles_of_a_reference_are_those_of_its_values() -> None:
    import pyarrow as pa

    values = np.random.default_rng(3).normal(50, 10, 5_000)
    bins = make_bins("in_x", pa.array(values))
    found = range_of(bins.edges.tolist(), bins.counts[:-1].tolist())
    assert found is not None
    for name, share in (("rare_low", 0.01), ("quarter", 0.25), ("median", 0.5), ("rare_high", 0.99)):
        assert getattr(found, name) == pytest.approx(np.quantile(values, share), abs=0.3)
    assert found.low <= values.min()
    assert found.high >= values.max()
    states = [state_of_number(value, found) for value in (50.0, 26.0, 200.0, -200.0, None)]
    assert states == ["inside", "rare", "outside", "outside", "missing"]


def test_a_range_of_few_whole_numbers_is_exact() -> None:
    import pyarrow as pa

    bins = make_bins("in_x", pa.array([1] * 2 + [2] * 96 + [3] * 2))
    found = range_of(bins.edges.tolist(), bins.counts[:-1].tolist())
    assert found is not None
    assert (found.rare_low, found.median, found.rare_high, found.high) == (1, 2, 3, 3)
    assert [state_of_number(value, found) for value in (0, 1, 2, 3, 4)] == ["outside", *["inside"] * 3, "outside"]
    assert range_of([], [0]) is None
    assert range_of([1.0], [0, 0]) is None


def test_categories_are_known_rare_or_new() -> None:
    shares = {"a": 0.99, "b": 0.004}
    states = [state_of_category(value, shares, frozenset({"c"})) for value in ("a", "b", "c", "d", None)]
    assert states == ["inside", "rare", "rare", "outside", "missing"]
    assert state_of_category("a", None) == "unknown"


def test_the_nearest_rows_are_those_of_the_scaled_city_block_distance() -> None:
    rng = np.random.default_rng(5)
    table = rng.normal(0, [1, 50, 0.01], (60, 3))
    rows = {f"r{i:02d}": dict(zip("abc", map(float, line), strict=True)) for i, line in enumerate(table)}
    item = dict(zip("abc", (0.1, -20.0, 0.003), strict=True))
    everything = np.vstack([table, list(item.values())])
    scaled = (everything - everything.min(0)) / (everything.max(0) - everything.min(0))
    expected = cdist(scaled[-1:], scaled[:-1], "cityblock")[0] / 3
    found = nearest(item, rows, 5)
    assert [name for name, _ in found] == [f"r{place:02d}" for place in np.argsort(expected)[:5]]
    assert [gap for _, gap in found] == pytest.approx(np.sort(expected)[:5])


def test_mixed_rows_count_what_is_absent_as_different() -> None:
    assert distance({"a": 1, "b": "x", "c": True}, {"a": 3, "b": "y"}, {"a": 4.0}) == pytest.approx((0.5 + 1 + 1) / 3)
    assert distance({"a": 1}, {"b": 1}, {}) is None
    assert distance({"a": 1}, {"a": 1}, {}) == 0
    assert spans_of([{"a": True, "b": 2}, {"b": 5}]) == {"b": 3.0}
    assert nearest({"a": 1}, {}, 5) == []


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("the cat sat on the mat", "the cat sat on the mat", 0.0),
        ("the cat sat on the mat", "the cat sit on mat", 2 / 6),  # one substitution, one deletion
        ("hello", "hello there my friend", 3.0),  # insertions alone
        ("Tôi, đi.", "tôi đi", 0.0),
        ("one two", "", 1.0),
        ("...", "one", None),
    ],
)
def test_word_error_rates_counted_by_hand(reference: str, hypothesis: str, expected: float | None) -> None:
    assert word_error_rate(reference, hypothesis) == (None if expected is None else pytest.approx(expected))


def test_words_keep_vietnamese_letters_however_they_are_composed() -> None:
    assert words_of("Cha\u0300o BẠN") == ["chào", "bạn"]


def test_marks_that_make_no_sense_are_left_out() -> None:
    given = {"vad": [[0.5, 0.9], [0.1, 0.2], [3, 1], ["a", 2], [0, float("inf")], {"start_s": 1, "end_s": 2}]}
    assert segments_in(None, given) == [(0.1, 0.2), (0.5, 0.9), (1.0, 2.0)]
    assert segments_in({"vad": "[[0, 1]]"}) == [(0.0, 1.0)]
    assert segments_in({"vad": "[["}, "no", 7) == []
    spans = [{"start": 0, "end": 3, "label": "who"}, [2, 99], [1.5, 2], {"start": 4, "end": 5, "label": 7}]
    assert spans_in(10, {"spans": spans}) == [(0, 3, "who"), (4, 5, None)]
    assert spans_in(10, '{"entities": [[0, 1]]}') == [(0, 1, None)]


def test_a_share_of_assisted_items_stays_blind_and_cannot_be_switched_off() -> None:
    names = [f"s-{number}" for number in range(4_000)]
    kept = [not shows("assist", 7, name, 0.1) for name in names]
    assert sum(kept) / len(names) == pytest.approx(0.1, abs=0.02)  # four standard errors
    assert kept == [not shows("assist", 7, name, 0.1) for name in names]
    assert not any(shows(mode, 7, name, 0.0) for mode in ("blind", "adjudicate") for name in names)
    given = (0, 0.3, 1, 2, "many", True, None)
    assert [blind_share({"bench": {"blind_share": one}}) for one in given] == [0.01, 0.3, 1.0, 0.1, 0.1, 0.1, 0.1]
    assert blind_share({}) == 0.1


def test_hypotheses_are_named_without_a_trace_of_their_versions() -> None:
    answers = [
        {"version": "v1", "prediction": "two"},
        {"version": "v2", "prediction": "too"},
        {"version": "v3", "prediction": "two"},
        {"version": "v4", "prediction": None},
    ]
    found = hypotheses(answers, "task-1:user:1")
    assert [one.name for one in found] == ["A", "B"]
    assert {one.text: one.versions for one in found} == {"two": ("v1", "v3"), "too": ("v2",)}
    firsts = [hypotheses(answers, f"task-{number}")[0].text for number in range(400)]
    assert firsts.count("two") == pytest.approx(200, abs=40)  # four standard errors


def test_boxes_that_make_no_sense_are_left_out() -> None:
    given = [[1, 2, 3, 4], [1, 2, 3], {"x": 1, "y": 2, "w": 0, "h": 4}, "no", {"x": 5, "y": 6, "width": 7, "height": 8}]
    assert boxes_in({"candidate_boxes": given}) == [(1.0, 2.0, 3.0, 4.0, None), (5.0, 6.0, 7.0, 8.0, None)]
    assert boxes_in({"boxes": "[[0, 0, 9, 9]]"}) == [(0.0, 0.0, 9.0, 9.0, None)]
    assert boxes_in(None, {"boxes": float("nan")}) == []

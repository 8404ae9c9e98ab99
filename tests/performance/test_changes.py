"""Change detectors: a planted change is found soon and dated well, a steady stream raises nothing."""

from __future__ import annotations

import numpy as np
import pytest

from backend.performance.changes import MAX_ITEMS, change_point, find_changes
from backend.performance.detect import DetectionFailed, detect_elsewhere

DETECTORS = ("adwin", "page_hinkley")


def stream(rng: np.random.Generator, *parts: tuple[int, float]) -> np.ndarray:
    return np.concatenate([rng.random(n) < rate for n, rate in parts]).astype(float)


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_change_is_found_soon_and_its_beginning_is_dated_well(detector: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        found = find_changes(stream(rng, (4000, 0.08), (4000, 0.25)), detector)  # type: ignore[arg-type]
        assert [change.is_worse for change in found] == [True]
        assert 4000 < found[0].found < 4600
        assert abs(found[0].began - 4000) < 120
        assert found[0].before == pytest.approx(0.08, abs=0.02)
        assert found[0].after == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_steady_stream_raises_nothing(detector: str) -> None:
    rng = np.random.default_rng(2)
    raised = sum(bool(find_changes(stream(rng, (5000, 0.1)), detector)) for _ in range(20))  # type: ignore[arg-type]
    assert raised <= 1


def test_better_again_is_a_second_change_and_the_same_stream_gives_the_same_answer() -> None:
    errors = stream(np.random.default_rng(3), (3000, 0.05), (3000, 0.3), (3000, 0.05))
    found = find_changes(errors)
    assert [change.is_worse for change in found] == [True, False]
    assert found == find_changes(errors)
    early = find_changes(errors[:4500])
    assert [(change.began, change.found) for change in early] == [(found[0].began, found[0].found)]


def test_errors_of_numbers_and_long_streams_are_brought_into_range() -> None:
    rng = np.random.default_rng(4)
    errors = np.abs(np.concatenate([rng.normal(0, 100, 3000), rng.normal(0, 300, 3000)]))
    found = find_changes(errors)
    assert len(found) >= 1
    assert abs(found[0].began - 3000) < 200
    long = stream(rng, (MAX_ITEMS, 0.05), (MAX_ITEMS, 0.2))
    assert abs(find_changes(long)[0].began - MAX_ITEMS) < 300


def test_nothing_constant_and_broken_streams() -> None:
    assert find_changes([]) == []
    assert find_changes([1.0] * 500) == []
    assert change_point(np.array([1.0])) == 0
    with pytest.raises(ValueError, match="finite"):
        find_changes([0.0, float("nan")])


def test_the_process_that_detects_answers_the_same_and_failures_are_told() -> None:
    errors = stream(np.random.default_rng(5), (1500, 0.05), (1500, 0.4))
    assert detect_elsewhere(errors, "adwin") == find_changes(errors)
    with pytest.raises(DetectionFailed):
        detect_elsewhere(np.array([np.nan]), "adwin")

"""When a model counts as well, in need of a look, or bad."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from backend.monitors.rules import judge_model


@dataclass
class Incident:
    state: str


@pytest.mark.parametrize(
    ("has_events", "states", "expected"),
    [
        (True, [], "ok"),
        (False, [], "no_data"),
        (True, ["warning", "warning"], "warning"),
        (True, ["warning", "alert"], "bad"),
        (False, ["alert"], "bad"),
    ],
)
def test_a_model_is_as_well_as_the_worst_that_fires(has_events: bool, states: list[str], expected: str) -> None:
    assert judge_model(has_events, [Incident(state) for state in states]) == expected

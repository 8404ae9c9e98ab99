"""When a model counts as well, in need of a look, or bad."""

from __future__ import annotations

from typing import Any

import pytest

from backend.monitors.rules import judge_model
from db.analytics.overview import FigurePair, ModelFigures

NOTHING = FigurePair(None, None, 0, None, None)
WELL = {
    "events": FigurePair(1000, 1000, 1000, None, None),
    "latency_p95": FigurePair(50, 48, 1000, None, None),
    "error_rate": FigurePair(0.001, 0.001, 1000, 0.0, 0.005),
    "null_output_rate": FigurePair(0.01, 0.01, 1000, 0.005, 0.02),
    "missing_rate": FigurePair(0.02, 0.02, 5000, 0.01, 0.03),
    "human_ai_agreement": FigurePair(0.95, 0.95, 100, 0.89, 0.98),
}


def judge(**changed: FigurePair) -> tuple[str, list[Any]]:
    state, reasons = judge_model(ModelFigures({**WELL, **changed}, "v1", "shadow", 0, 0, None))
    return state, [(reason.measure, reason.code) for reason in reasons]


def test_a_well_model_has_no_reasons() -> None:
    assert judge() == ("ok", [])


def test_a_model_that_never_had_events_has_no_data() -> None:
    assert judge(**dict.fromkeys(WELL, NOTHING)) == ("no_data", [])


def test_a_model_that_fell_silent_is_bad() -> None:
    silent = dict.fromkeys(WELL, NOTHING) | {"events": FigurePair(0, 1000, 0, None, None)}
    assert judge(**silent) == ("bad", [("requests", "silent")])


@pytest.mark.parametrize(
    ("figure", "state"),
    [
        (FigurePair(0.5, 0.01, 1000, 0.47, 0.53), "bad"),
        (FigurePair(0.08, 0.01, 1000, 0.06, 0.1), "warning"),
        (FigurePair(0.5, 0.0, 10, 0.24, 0.76), "ok"),
    ],
)
def test_null_outputs_complain_only_with_enough_events(figure: FigurePair, state: str) -> None:
    assert judge(null_output_rate=figure)[0] == state


def test_a_rise_within_the_limit_is_still_a_warning() -> None:
    found = judge(null_output_rate=FigurePair(0.045, 0.005, 5000, 0.04, 0.05))
    assert found == ("warning", [("null_output_rate", "worse")])


@pytest.mark.parametrize(("p95", "state"), [(60, "ok"), (80, "warning"), (200, "bad")])
def test_latency_is_compared_with_the_period_before(p95: float, state: str) -> None:
    assert judge(latency_p95=FigurePair(p95, 50, 1000, None, None))[0] == state


def test_agreement_complains_when_its_whole_interval_is_low() -> None:
    assert judge(human_ai_agreement=FigurePair(0.6, 0.95, 100, 0.5, 0.7))[0] == "bad"
    assert judge(human_ai_agreement=FigurePair(0.85, 0.95, 200, 0.8, 0.89))[0] == "warning"
    assert judge(human_ai_agreement=FigurePair(0.85, 0.95, 30, 0.68, 0.93))[0] == "ok"


def test_the_worst_reason_comes_first() -> None:
    state, reasons = judge(
        latency_p95=FigurePair(80, 50, 1000, None, None), error_rate=FigurePair(0.3, 0.0, 1000, 0.27, 0.33)
    )
    assert state == "bad"
    assert [measure for measure, _ in reasons] == ["error_rate", "latency_p95"]

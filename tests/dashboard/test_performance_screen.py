"""The Performance screen in both languages, and its figures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.kit import data, performance_charts, text
from dashboard.kit.charts import Line, Mark
from dashboard.kit.performance_charts import Course
from tests.dashboard.fake_api import FakeApi

MODULE = "dashboard.screens.performance"
START = datetime(2026, 3, 1, tzinfo=UTC)
AT = [START + timedelta(days=i) for i in range(6)]


def said(app: Any) -> str:
    kinds = ("title", "subheader", "caption", "markdown", "info", "warning", "error")
    return "\n".join(str(element.value) for kind in kinds for element in app.get(kind))


@pytest.mark.parametrize(("language", "word"), [("en", "Labels cover"), ("vi", "Nhãn đúng phủ")])
def test_the_screen_says_in_words_what_its_lines_show(
    open_screen: Callable[..., Any], api: FakeApi, language: str, word: str
) -> None:
    app = open_screen(MODULE, language, model="pcb-inspection", version="v3", segment="line=L1")
    assert not app.exception
    assert not app.error
    words = said(app)
    assert word in words
    assert "line = L2" in words or app.dataframe
    asked = api.asked("/v1/performance")[0].url.params
    assert (asked["version"], asked["segment"], asked["metric"]) == ("v3", "line=L1", "accuracy")


def test_a_past_day_in_the_address_asks_for_what_was_known_then(open_screen: Callable[..., Any], api: FakeApi) -> None:
    app = open_screen(MODULE, asof="2026-03-10", clock="resolved")
    assert not app.exception
    asked = api.asked("/v1/performance")[0].url.params
    assert asked["as_of"] == "2026-03-10T17:00:00+00:00"  # the end of that day in Ho Chi Minh City
    assert asked["clock"] == "resolved"
    assert "what was known until" in said(app)


@pytest.mark.parametrize("language", ["en", "vi"])
def test_without_predictions_it_says_what_fills_it_and_failures_are_told(
    open_screen: Callable[..., Any], api: FakeApi, language: str
) -> None:
    api.is_empty = True
    assert len(said(open_screen(MODULE, language))) > 100
    data.forget()
    api.is_empty, api.broken = False, {"/v1/performance"}
    app = open_screen(MODULE, language, model="solder-joint")
    assert not app.exception
    assert app.error


def test_thin_points_are_hollow_revised_ones_ringed_and_gaps_stay_gaps() -> None:
    values = [0.9, 0.91, None, 0.88, 0.7, 0.86]
    line = Line("From labels", AT, values, [0.85] * 6, [0.95] * 6, [40, 40, 0, 40, 3, 40])
    expected = Line("Without labels", AT, [0.9] * 6)
    shown = Course(AT, line, None, expected, thin=[4], revised=[(1, 0.95, 12)], marks=[Mark(AT[3], "worse", "alert")])
    with text.reading_as("en"):
        figure = performance_charts.course(shown, unit="share")
    by_name = {trace.name: trace for trace in figure.data if trace.name}
    assert list(by_name["From labels"].y) == [0.9, 0.91, None, 0.88, None, 0.86]
    assert list(by_name["Few labels"].y) == [0.7]
    assert by_name["Changed by late labels"].customdata[0] == "was 95.0% from 12 labels"
    low, high = figure.layout.yaxis.range
    assert low < 0.7
    assert high <= 1.02


def test_thin_coverage_is_grey_and_lags_are_written_as_people_say_them() -> None:
    with text.reading_as("en"):
        figure = performance_charts.coverage(AT[:2], [0.5, 0.02], [(50, 100), (2, 100)], [False, True])
        colours = list(figure.data[0].marker.color)
        assert colours[0] != colours[1]
        assert "(50 / 100)" in figure.data[0].customdata[0]
        assert performance_charts.duration(90) == "2 min"
        assert performance_charts.duration(7200) == "2 h"
        assert performance_charts.duration(864_000) == "10 days"
        lags = performance_charts.lag(AT[:2], [86_400.0, None], [172_800.0, None], names=("a", "b"))
        assert list(lags.data[0].y) == [1.0, None]
        drift = performance_charts.drift_course(AT[:2], [0.55, None], [True, False], [80, 0])
        assert list(drift.data[0].y) == [0.55, None]

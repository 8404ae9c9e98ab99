"""Pipelines: the words about a change, the reference that is asked for, the chosen trace; and its figures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from dashboard.kit import pipeline_charts
from dashboard.kit.text import reading_as
from dashboard.kit.theme import DARK
from tests.dashboard.fake_api import FakeApi
from tests.dashboard.test_screens import everything_said, module

Open = Callable[..., Any]


def test_the_screen_says_which_step_a_change_comes_from(open_screen: Open, api: FakeApi) -> None:
    said = everything_said(open_screen(module("pipelines")))
    assert "**Wrong answers** went from 5.0% to 25.0% (+20.0 pp)." in said
    assert "80% of it comes from **vad**: +16.0 pp (+13.0 … +19.0)." in said
    assert "40% of what **recogniser\\*** was handed has no like in the reference" in said
    assert "about 4,200 traces in each window would be needed" in said
    asked = api.asked("/v1/pipelines/speech/blame")[0].url.params
    start, end = (datetime.fromisoformat(asked[name]) for name in ("start", "end"))
    assert datetime.fromisoformat(asked["reference_start"]) == start - (end - start)


def test_the_reference_can_lie_a_week_earlier(open_screen: Open, api: FakeApi) -> None:
    open_screen(module("pipelines"), range="24h", ref="week")
    asked = api.asked("/v1/pipelines/speech/health")[0].url.params
    apart = datetime.fromisoformat(asked["start"]) - datetime.fromisoformat(asked["reference_start"])
    assert apart == timedelta(days=7)


def test_a_chosen_trace_shows_its_steps_and_a_chosen_step_its_prediction(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(module("pipelines"), pick="failed", step="vad", trace="trace-1", span="event-1")
    asked = api.asked("/v1/pipelines/speech/traces")[0].url.params
    assert (asked["pick"], asked["step"]) == ("failed", "vad")
    assert api.asked("/v1/pipelines/speech/traces/trace-1")
    assert api.asked("/v1/predictions/event-1")[0].url.params["model"] == "pcb-inspection"
    assert "One prediction" in everything_said(app)


def test_a_viewer_sees_no_traces_and_a_long_range_is_explained(open_screen: Open, api: FakeApi) -> None:
    api.role = "viewer"
    app = open_screen(module("pipelines"))
    assert "your role sees the charts only" in everything_said(app)
    assert not api.asked("/v1/pipelines/speech/traces")
    api.role = "admin"
    app = open_screen(module("pipelines"), range="90d")
    assert not app.exception
    assert not app.error
    assert "at most 31 days" in everything_said(app)


def test_a_waterfall_puts_every_span_where_it_lies_in_time() -> None:
    bars = [
        pipeline_charts.Bar("vad", 0.0, 2.5, "ok", "<b>"),
        pipeline_charts.Bar("recogniser", 4.0, 10.0, "failed", "x", colour=1),
        pipeline_charts.Bar("recogniser", 5.0, None, "null", "x", colour=1, is_faint=True),
    ]
    figure = pipeline_charts.waterfall(bars, colours=DARK)
    drawn = figure.data[0]
    assert list(drawn.base) == [0.0, 4.0, 5.0]
    assert list(drawn.x)[:2] == [2.5, 10.0]
    assert 0 < drawn.x[2] < 0.1
    assert list(drawn.y) == ["1. vad", "2. recogniser", "3. recogniser"]
    assert list(drawn.marker.color) == [DARK.series[0], DARK.bad, DARK.warning]
    assert drawn.customdata[0] == "&lt;b&gt;"
    assert pipeline_charts.waterfall([]).data[0].x == ()


def test_shares_are_drawn_with_their_intervals_in_the_readers_numbers() -> None:
    parts = [
        pipeline_charts.Part("vad", 0.18, 0.14, 0.22, is_blamed=True),
        pipeline_charts.Part("recogniser", -0.01, -0.03, 0.01, is_blamed=False),
    ]
    with reading_as("vi"):
        drawn = pipeline_charts.shares(parts, unit="share").data[0]
        assert "+18,0" in drawn.customdata[0]
    assert list(drawn.error_x.array) == [0.22 - 0.18, 0.02]
    assert drawn.y[0].startswith("●")
    assert pipeline_charts.difference(12.34, 1.0, 20.0, "ms") == "+12.3 ms (+1.0 … +20.0)"

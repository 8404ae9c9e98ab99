"""The Drift screen: what it says, what it asks for, and the figures it draws."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from dashboard.kit import drift_charts, text
from dashboard.kit.theme import DARK, LIGHT, Palette
from tests.dashboard.fake_api import NOW, FakeApi
from tests.dashboard.test_screens import everything_said

Open = Callable[..., Any]
MODULE = "dashboard.screens.drift"


def test_the_headline_names_what_drifted_and_each_row_says_why(open_screen: Open) -> None:
    said = everything_said(open_screen(MODULE, model="pcb-inspection"))
    assert "**One feature drifted**: **brightness**" in said
    assert "1 has too few rows to tell · 1 could not be compared · at most 1 false alarm a month" in said
    assert "values are lower" in said
    assert "12 rows; 409 would show a shift of 0.3 σ" in said
    assert "Wrong inside the drifted bins: 25.0% of 63 judged. Outside: 1.0% of 79." in said
    assert "At n = 5,120 this monitor can see shifts of 0.09 σ and more." in said


def test_what_is_compared_is_in_the_address(open_screen: Open, api: FakeApi) -> None:
    second = "00000000-0000-7000-8000-000000000002"
    open_screen(
        MODULE, model="pcb-inspection", range="30d", reference=second, version="v3", segment="line=L1", feature="score"
    )
    for path in ("report", "series", "feature"):
        asked = api.asked(f"/v1/drift/{path}")[0].url.params
        assert (asked["reference"], asked["version"], asked["segment"]) == (second, "v3", "line=L1")
    assert api.asked("/v1/drift/feature")[0].url.params["feature"] == "score"
    assert not api.asked("/v1/drift/examples")


def test_an_example_leads_to_its_prediction(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(MODULE, model="pcb-inspection", event="event-1")
    assert api.asked("/v1/predictions/event-1")
    assert "One prediction" in everything_said(app)


def test_a_viewer_sees_drift_but_no_rows_and_changes_nothing(open_screen: Open, api: FakeApi) -> None:
    api.role = "viewer"
    app = open_screen(MODULE, model="pcb-inspection")
    assert not app.exception
    assert not api.asked("/v1/drift/examples")
    assert "drift_freeze" not in [button.key for button in app.button]


@pytest.mark.parametrize("language", ["en", "vi"])
def test_without_a_reference_the_screen_says_how_to_freeze_one_and_does(
    open_screen: Open, api: FakeApi, language: str
) -> None:
    api.has_no_reference = True
    app = open_screen(MODULE, language, model="pcb-inspection")
    assert not app.exception
    with text.reading_as(language):
        app.button(key="drift_freeze").click()
        app.run()
    sent = next(request for request in api.asked("/v1/drift/references") if request.method == "POST")
    wish = json.loads(sent.content)
    assert (wish["model"], wish["kind"]) == ("pcb-inspection", "window")
    assert wish["start"] < wish["end"]


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_figures_have_no_webgl_gaps_stay_empty_and_labels_are_no_markup(palette: Palette) -> None:
    at = [NOW + timedelta(hours=i) for i in range(3)]
    rows = [drift_charts.HeatRow("<b>x</b>", ["ok", None, "drifted"], [0.02, None, 0.8], [40, 0, 50])]
    heat = drift_charts.heat_map(at, rows, verdict_names={"ok": "No drift", "drifted": "Drifted"}, colours=palette)
    assert heat.data[1].z == ([0.02, None, 0.8],) or list(heat.data[1].z[0]) == [0.02, None, 0.8]
    assert list(heat.data[2].y) == ["&lt;b&gt;x&lt;/b&gt;"]
    bars = [drift_charts.Bar("≤ 1", None, 1.0, 0.1, 0.4), drift_charts.Bar("1 – 2", 1.0, 2.0, 0.9, 0.6)]
    numbers = drift_charts.number_overlay(bars, ("ref", "now"), colours=palette)
    assert [list(trace.y) for trace in numbers.data] == [[0.1, 0.9], [0.4, 0.6]]
    assert list(numbers.data[0].x) == [0.5, 1.5]
    names = drift_charts.category_overlay(bars, ("ref", "now"), colours=palette)
    assert {trace.type for figure in (heat, numbers, names) for trace in figure.data} == {"heatmap", "scatter", "bar"}

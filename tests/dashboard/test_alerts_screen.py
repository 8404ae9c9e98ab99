"""The Alerts screen: every view in both languages, with and without data, and what its buttons send."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.kit import alert_charts, charts
from dashboard.kit.alert_words import fires_when, note
from dashboard.kit.text import reading_as
from dashboard.screens.alerts import VIEWS
from tests.dashboard.fake_api import FakeApi

MODULE = "dashboard.screens.alerts"
Open = Callable[..., Any]


def said(app: Any) -> str:
    kinds = ("title", "caption", "markdown", "text", "info", "warning", "error", "button")
    parts = [str(getattr(one, "value", "") or getattr(one, "label", "")) for kind in kinds for one in app.get(kind)]
    return "\n".join(parts)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_in_both_languages_with_and_without_data(open_screen: Open, api: FakeApi, view: str) -> None:
    told = []
    for language, is_empty in (("en", False), ("vi", True)):
        api.is_empty = is_empty
        app = open_screen(MODULE, language, view=view)
        assert not app.exception
        assert not app.error
        told.append(said(app))
    assert len(set(told)) == 2
    assert all(len(one) > 60 for one in told)


def test_what_fires_is_worst_first_and_names_are_no_markup(open_screen: Open) -> None:
    told = said(open_screen(MODULE))
    assert told.index("**1** alert") < told.index("**1** warning")
    assert "above 10.0% (warns from 2.0%)" in told
    assert "line=L\\*1" in told


def test_an_incident_is_taken_care_of_judged_and_looked_at(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(MODULE)
    app.button(key="ack_i1").click().run()
    app.radio(key="verdict_i1").set_value("benign")
    app.run()
    app.button(key="judge_i1").click().run()
    app.button(key="batch_i1").click().run()
    base = "/v1/alerts/incidents/i1"
    assert api.asked(f"{base}/acknowledge")
    assert json.loads(api.asked(f"{base}/verdict")[0].content)["verdict"] == "benign"
    assert json.loads(api.asked(f"{base}/review-batch")[0].content) == {"n": 60}
    assert not app.exception


def test_a_viewer_may_look_only(open_screen: Open, api: FakeApi) -> None:
    api.role = "viewer"
    app = open_screen(MODULE)
    assert not app.exception
    assert not [button for button in app.button if button.key and button.key.startswith(("ack", "judge", "batch"))]
    assert not api.asked("/v1/channels")


def test_a_rule_is_tried_before_it_is_saved(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(MODULE, view="rules")
    app.text_input(key="name_new").input("too many errors")
    app.number_input(key="alert_new_True").set_value(10.0)
    app.run()
    app.button(key="try_new").click().run()
    assert not app.exception
    tried = json.loads(api.asked("/v1/alerts/rules/try")[0].content)
    assert tried["rule"]["condition"]["alert"] == 0.1
    assert "It would have fired **1** time in 90 days" in said(app)
    assert not [one for one in api.asked("/v1/alerts/rules") if one.method == "POST"]
    app.button(key="save_new").click().run()
    saved = next(one for one in api.asked("/v1/alerts/rules") if one.method == "POST")
    assert json.loads(saved.content)["name"] == "too many errors"


def test_a_drift_rule_is_tried_and_shows_which_features_would_have_fired_and_why(open_screen: Open) -> None:
    """The chart has a line of PSI per feature; the table under it says what happened, in the reader's words."""
    app = open_screen(MODULE, view="rules")
    app.text_input(key="name_new").input("drift")
    app.selectbox(key="kind_new").set_value("drift").run()
    app.button(key="try_new").click().run()
    assert not app.exception
    assert app.text_input(key="of_drift_new").value == "Feature drift (PSI)"
    row = next(found.value.iloc[0].tolist() for found in app.dataframe if "width" in found.value.iloc[0].tolist())
    assert row[1] == "values that the reference does not know"
    with reading_as("vi"):
        assert note("shift") == "các giá trị nằm ở chỗ khác"


def test_a_webhooks_secret_is_shown_once(open_screen: Open) -> None:
    app = open_screen(MODULE, view="channels")
    app.text_input(key="channel_name").input("ops")
    app.text_input(key="channel_url").input("https://hooks.example.com/x")
    next(button for button in app.button if button.key == "add_channel_send").click()
    app.run()
    assert [code.value for code in app.code] == ["shown-only-once-19"]


def test_a_stopped_worker_is_told_loudly(open_screen: Open, api: FakeApi) -> None:
    api.is_empty = True
    assert "worker" in said(open_screen(MODULE))


def test_conditions_are_said_in_the_readers_language() -> None:
    change = {"kind": "change", "against": "past_weeks", "direction": "above", "mode": "relative", "alert": 0.5}
    with reading_as("en"):
        assert fires_when(change, "ms") == "rises 50% against the same hour of past weeks"
        assert "14.4" in fires_when({"kind": "burn_rate", "objective": 0.999, "alert": 14.4}, "share")
        assert (
            fires_when({"kind": "threshold", "direction": "below", "warning": 0.9}, "share") == "warns when below 90.0%"
        )
    with reading_as("vi"):
        assert fires_when(change, "ms") == "tăng 50% so với cùng giờ các tuần trước"


def test_the_tried_chart_shades_every_firing_and_draws_the_limits() -> None:
    start = datetime(2026, 5, 1, tzinfo=UTC)
    at = [start + timedelta(hours=i) for i in range(50)]
    figure = alert_charts.tried(
        [charts.Line("errors", at, [0.01] * 50)],
        [alert_charts.Firing(at[3], at[5], True), alert_charts.Firing(at[9], at[9], False)],
        unit="share",
        window=(at[0], at[-1]),
        limits=[(0.1, "Alert", True)],
    )
    assert len([shape for shape in figure.layout.shapes if shape.type == "rect"]) == 2
    assert len([shape for shape in figure.layout.shapes if shape.type == "line"]) == 1
    assert figure.layout.yaxis.range[1] > 0.1

"""Every screen in both languages: with data, without data, without permission, and when the API fails."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.kit import text
from tests.dashboard.conftest import APP
from tests.dashboard.fake_api import FakeApi

SCREENS = (
    "overview",
    "health",
    "inputs_outputs",
    "drift",
    "pipelines",
    "compare",
    "ingestion",
    "capacity",
    "people",
)
LANGUAGES = ("en", "vi")
Open = Callable[..., Any]


def module(name: str) -> str:
    return f"dashboard.screens.{name}"


def everything_said(app: Any) -> str:
    """All words on the screen."""
    parts: list[str] = []
    for kind in ("title", "subheader", "caption", "markdown", "text", "info", "warning", "error", "button"):
        for element in app.get(kind):
            parts.append(str(getattr(element, "value", "") or getattr(element, "label", "")))
    for element in app.metric:
        parts += [str(element.label), str(element.value)]
    return "\n".join(parts)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_with_data_shows_no_error(open_screen: Open, name: str, language: str) -> None:
    app = open_screen(module(name), language)
    assert not app.exception
    assert not app.error
    assert app.title[0].value


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_without_data_says_what_would_fill_it(
    open_screen: Open, api: FakeApi, name: str, language: str
) -> None:
    api.is_empty = True
    app = open_screen(module(name), language)
    assert not app.exception
    assert len(everything_said(app)) > 100


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", SCREENS)
def test_a_failing_api_is_told_without_a_traceback(open_screen: Open, api: FakeApi, name: str, language: str) -> None:
    api.broken = {"/v1/monitors", "/v1/comparisons", "/v1/ingestion", "/v1/models", "/v1/users", "/v1/schema"}
    api.broken |= {"/v1/drift", "/v1/pipelines", "/v1/processes"}
    app = open_screen(module(name), language)
    assert not app.exception
    assert app.error
    assert "Traceback" not in everything_said(app)
    expected = "cơ sở dữ liệu" if language == "vi" else "database"
    assert expected in app.error[0].value


@pytest.mark.parametrize("name", SCREENS)
def test_the_two_languages_say_different_things(open_screen: Open, name: str) -> None:
    english, vietnamese = (everything_said(open_screen(module(name), language)) for language in LANGUAGES)
    assert english != vietnamese
    assert re.search("[ăâđêôơưạảấầậắằặẹếềệịọốồộớờợụứừựỳ]", vietnamese)


def test_a_person_without_session_is_led_to_the_sign_in(api: FakeApi) -> None:
    api.is_signed_out = True
    app = AppTest.from_file(str(APP), default_timeout=30).run()
    assert not app.exception
    assert "signed out" in app.warning[0].value


def test_overview_puts_the_unwell_model_first_and_says_why(open_screen: Open) -> None:
    said = everything_said(open_screen(module("overview")))
    assert said.index("Errors: 2.1% (compared with 0.4%)") < said.index("Nothing was logged for this model yet")
    assert "**47** items wait for people" in said


def test_overview_asks_for_the_range_in_its_address(open_screen: Open, api: FakeApi) -> None:
    open_screen(module("overview"), range="7d")
    asked = api.asked("/v1/monitors/summary")[0].url.params
    assert asked["start"] < asked["end"]


def test_health_draws_the_measures_of_its_group_only(open_screen: Open, api: FakeApi) -> None:
    open_screen(module("health"), model="pcb-inspection", group="agreement")
    measures = {request.url.params["measure"] for request in api.asked("/v1/monitors/series")}
    assert measures == {"requests", "human_ai_agreement"}


def test_health_splits_and_filters_as_its_address_says(open_screen: Open, api: FakeApi) -> None:
    open_screen(module("health"), model="solder-joint", split="version", version="v3", segment="line=L1", prev="1")
    asked = [request.url.params for request in api.asked("/v1/monitors/series")]
    drawn = next(params for params in asked if params["measure"] == "error_rate")
    assert drawn["model"] == "solder-joint"
    assert drawn["split"] == "version"
    assert drawn["version"] == "v3"
    assert drawn["segment"] == "line=L1"
    assert drawn["previous"] == "true"


def test_a_selection_in_the_address_shows_the_rows_behind_it(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(
        module("health"), model="pcb-inspection", sel="20260319T000000Z~20260320T000000Z~error_rate", event="event-1"
    )
    rows = api.asked("/v1/predictions")[0].url.params
    assert rows["start"].startswith("2026-03-19T00:00:00")
    assert '"status", "ne", "ok"' in rows["where"]
    assert api.asked("/v1/predictions/event-1")
    assert "One prediction" in everything_said(app)


def test_a_viewer_sees_charts_but_no_rows(open_screen: Open, api: FakeApi) -> None:
    api.role = "viewer"
    app = open_screen(module("health"), sel="20260319T000000Z~20260320T000000Z~error_rate")
    assert not app.exception
    assert not api.asked("/v1/predictions")
    assert "your role sees the charts only" in everything_said(app)


def test_compare_starts_with_the_newest_version_against_people(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(module("compare"), model="pcb-inspection")
    asked = api.asked("/v1/comparisons")[0].url.params
    assert (asked["a"], asked["b"], asked["seen"]) == ("version:v3", "people", "blind")
    said = everything_said(app)
    assert "93.1%" in said
    assert "95 %: 91.1–94.6%" in said
    assert "only one label used" in said


@pytest.mark.parametrize(
    ("role", "language", "shown", "hidden"),
    [
        ("data_scientist", "en", "Inspector 2", "Bình"),
        ("data_scientist", "vi", "Người kiểm tra 2", "Bình"),
        ("admin", "vi", "Bình", "Người kiểm tra 2"),
        ("viewer", "en", "An Nguyễn", "Inspector 2"),
    ],
)
def test_compare_calls_other_people_by_what_the_reader_may_know(
    open_screen: Open, api: FakeApi, role: str, language: str, shown: str, hidden: str
) -> None:
    api.role = role
    app = open_screen(module("compare"), language, model="pcb-inspection")
    offered = " ".join(option for box in app.selectbox for option in box.options)
    assert shown in offered
    assert hidden not in offered


def test_compare_shows_only_the_items_of_a_picked_cell(open_screen: Open, api: FakeApi) -> None:
    open_screen(module("compare"), la="ok", lb="short")
    asked = api.asked("/v1/comparisons/disagreements")[0].url.params
    assert (asked["label_a"], asked["label_b"]) == ("ok", "short")


def test_a_schema_change_is_noted_when_somebody_says_so(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(module("ingestion"))
    next(button for button in app.button if button.key == "acknowledge_1").click()
    app.run()
    assert not app.exception
    assert api.asked("/v1/schema-notices/1/acknowledge")


def test_the_quarantine_can_be_narrowed_to_one_reason(open_screen: Open, api: FakeApi) -> None:
    open_screen(module("ingestion"), code="missing_field", model="pcb-inspection")
    asked = api.asked("/v1/quarantine")[0].url.params
    assert (asked["code"], asked["model"]) == ("missing_field", "pcb-inspection")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("role", ["viewer", "inspector", "data_scientist", "admin"])
def test_the_app_opens_for_every_role(api: FakeApi, role: str, language: str) -> None:
    api.role, api.language = role, language
    app = AppTest.from_file(str(APP), default_timeout=30).run()
    assert not app.exception
    assert app.title


def test_the_language_asked_for_in_the_address_wins(api: FakeApi) -> None:
    api.language = "en"
    app = AppTest.from_file(str(APP), default_timeout=30)
    app.query_params["lang"] = "vi"
    assert app.run().title[0].value == "Tổng quan"


def test_a_made_password_is_shown_once(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(module("people"))
    app.text_input(key="new_email").input("chi@example.org")
    app.text_input(key="new_name").input("Chi Lê")
    app.selectbox(key="new_role").select("data_scientist")
    next(button for button in app.button if button.key == "add_person_send").click()
    app.run()
    sent = json.loads(api.asked("/v1/users")[1].content)
    assert (sent["email"], sent["name"], sent["role"]) == ("chi@example.org", "Chi Lê", "data_scientist")
    assert [code.value for code in app.code] == ["made-once-7421"]
    app.button(key="soi_secret_copied").click()
    app.run()
    assert [code.value for code in app.code] == []


def test_a_key_gets_the_rights_of_its_purpose_only(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(module("people"), view="keys")
    app.text_input(key="key_name").input("line 7")
    next(button for button in app.button if button.key == "add_key_send").click()
    app.run()
    made = next(request for request in api.asked("/v1/api-keys") if request.method == "POST")
    assert json.loads(made.content)["scopes"] == ["artifacts:write", "events:write"]
    assert [code.value for code in app.code] == ["soi_shown_only_once"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_audit_trail_is_listed_and_checked(open_screen: Open, api: FakeApi, language: str) -> None:
    app = open_screen(module("people"), language, view="audit")
    next(button for button in app.button if button.key is None).click()
    with text.reading_as(language):  # AppTest formats options outside of the script's own thread
        app.run()
    assert not app.exception
    assert "20" in app.success[0].value


def test_only_administrators_see_people(open_screen: Open, api: FakeApi) -> None:
    api.role = "data_scientist"
    app = open_screen(module("people"))
    assert not api.asked("/v1/users")
    assert app.info


@pytest.mark.parametrize("name", ["people", "compare", "health"])
def test_markup_in_data_is_never_markup_on_the_screen(open_screen: Open, name: str) -> None:
    app = open_screen(module(name))
    assert all(not getattr(block, "allow_html", False) for block in app.markdown)


INPUT_MEASURES = {"missing_rate", "missing_rate_by_field", "out_of_range_rate", "refused_rate_by_reason"}


def test_inputs_are_drawn_field_by_field_and_refused_rows_without_a_version(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(module("inputs_outputs"), model="pcb-inspection", version="v3", split="version", grain="3600")
    asked = {request.url.params["measure"]: request.url.params for request in api.asked("/v1/monitors/series")}
    assert {name for name in asked if name != "requests"} == INPUT_MEASURES
    assert asked["missing_rate"]["split"] == "version"
    assert (asked["missing_rate_by_field"].get("split"), asked["missing_rate_by_field"]["version"]) == (None, "v3")
    assert "version" not in asked["refused_rate_by_reason"]
    assert {params["grain_s"] for name, params in asked.items() if name != "requests"} == {"3600"}
    said = everything_said(app)
    assert "Never missing and never strange in this range: speed" in said
    assert "`brightness`" in said
    assert "`speed`" not in said


@pytest.mark.parametrize("group", ["media", "metric", "output", "feedback"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_empty_group_says_what_would_fill_it(open_screen: Open, api: FakeApi, group: str, language: str) -> None:
    full = open_screen(module("inputs_outputs"), language, group=group)
    assert not full.exception
    api.measures_nothing = True
    app = open_screen(module("inputs_outputs"), language, group=group, model="solder-joint")
    assert not app.exception
    with text.reading_as(language):
        expected = text.t(f"inputs.empty.{group}.body")
    assert expected in everything_said(app)
    assert expected not in everything_said(full)


def test_capacity_tells_who_is_silent_and_which_disk_is_full(open_screen: Open) -> None:
    app = open_screen(module("capacity"))
    assert "3.0 GB (3.0%)" in app.warning[0].value
    rows = app.dataframe[0].value.to_dict("records")
    assert [row["State"].split()[0] for row in rows] == ["running", "silent"]
    assert rows[0]["Waiting"] == "3 requests for the disk, 0 shadow calls"


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_prediction_has_a_page_of_its_own(
    open_screen: Open, api: FakeApi, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.kit.gallery._origin", lambda: "http://soi.test")
    app = open_screen(module("prediction"), language, model="pcb-inspection", id="event-4")
    assert not app.exception
    assert not app.error
    assert api.asked("/v1/predictions/event-4")
    assert api.asked("/v1/feedback")[0].url.params["prediction_id"] == "event-4"
    keys = {tuple(sorted(request.url.params)) for request in api.asked("/v1/predictions")}
    assert any("request_id" in key for key in keys)
    assert any("subject_id" in key for key in keys)
    frames = [table.value for table in app.dataframe]
    assert any("recogniser" in table.to_string() for table in frames)  # a step of another model in the same trace
    inputs = next(table for table in frames if "brightness" in table.to_string())
    remarks = {row[0]: row[2] for row in inputs.itertuples(index=False)}
    expected = {"en": ("below 0.50", "missing, though required"), "vi": ("dưới 0,50", "bị thiếu dù bắt buộc")}
    assert (remarks["brightness"], remarks["focus"]) == expected[language]
    assert any("overrode" in table.to_string() for table in frames)
    skipped = {"en": "Skipped: Missing, wrong or damaged", "vi": "Bỏ qua: Thiếu, sai hoặc hỏng"}[language]
    assert any(skipped in table.to_string() for table in frames)
    assert any("640" in table.to_string() for table in frames)


def test_a_page_without_a_prediction_says_how_to_choose_one(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(module("prediction"))
    assert not api.asked("/v1/predictions")
    assert "No prediction is chosen" in everything_said(app)


def test_a_selection_on_one_input_shows_the_rows_that_lack_it(open_screen: Open, api: FakeApi) -> None:
    sel = "20260319T000000Z~20260320T000000Z~missing_rate_by_field:focus"
    open_screen(module("inputs_outputs"), model="pcb-inspection", sel=sel)
    assert json.loads(api.asked("/v1/predictions")[0].url.params["where"]) == [["in_focus", "is_null"]]

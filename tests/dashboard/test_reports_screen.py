"""Reports in both languages: a list with files, one being made, one that failed, schedules; and what an action asks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dashboard.kit import data
from tests.dashboard.conftest import connect
from tests.dashboard.fake_reports import MODEL, REPORT, SCHEDULE, ReportApi

Open = Callable[..., Any]
SCREEN = "dashboard.screens.reports"
LANGUAGES = pytest.mark.parametrize("language", ["en", "vi"])


@pytest.fixture
def api() -> Iterator[ReportApi]:
    fake = ReportApi()
    connect(fake)
    yield fake
    data.forget()


def said(app: Any) -> str:
    kinds = ("title", "subheader", "caption", "markdown", "error")
    return "\n".join(str(element.value) for kind in kinds for element in app.get(kind))


@LANGUAGES
def test_reports_and_schedules_are_listed(open_screen: Open, api: ReportApi, language: str) -> None:
    app = open_screen(SCREEN, language, model=MODEL)
    assert not app.exception
    assert not app.error
    words = said(app)
    assert ("13 Mar 2026 – 20 Mar 2026" if language == "en" else "13/03/2026 – 20/03/2026") in words
    assert ("Monday at 07:00" if language == "en" else "Thứ Hai lúc 07:00") in words
    links = [element.proto.url for element in app.get("link_button")]
    assert f"/v1/reports/{REPORT.id}/file?language=vi&disposition=inline" in links
    assert f"/v1/reports/{REPORT.id}/file?language=vi" in links


@LANGUAGES
def test_an_empty_screen_says_what_fills_it(open_screen: Open, api: ReportApi, language: str) -> None:
    api.reports, api.schedules = [], []
    app = open_screen(SCREEN, language, model=MODEL)
    assert not app.exception
    expected = "There is no report" if language == "en" else "chưa có báo cáo"
    assert expected in said(app)


@LANGUAGES
@pytest.mark.parametrize("state", ["queued", "running", "failed", "cancelled"])
def test_a_report_shows_how_far_it_is(open_screen: Open, api: ReportApi, state: str, language: str) -> None:
    changes = {"state": state, "progress": 0.4, "step": "reading_health", "error": "no *numbers*", "files": []}
    api.reports = [REPORT.model_copy(update=changes | {"verdict": None, "is_stalled": state == "running"})]
    app = open_screen(SCREEN, language, model=MODEL)
    assert not app.exception
    assert bool(app.error) == (state == "failed")
    if state == "failed":
        assert r"no \*numbers\*" in app.error[0].value


def test_making_one_asks_for_the_readers_language_and_zone(open_screen: Open, api: ReportApi) -> None:
    app = open_screen(SCREEN, "en", model=MODEL)
    app.button(key="make_report").click().run()
    sent = [json.loads(request.content) for request in api.asked("/v1/reports") if request.method == "POST"]
    assert sent == [{"model": MODEL, "days": 7, "languages": ["en"], "timezone": "Asia/Ho_Chi_Minh"}]


def test_a_schedule_is_made_paused_and_removed(open_screen: Open, api: ReportApi) -> None:
    app = open_screen(SCREEN, "en", model=MODEL)
    app.button(key="save_new").click().run()
    app.button(key=f"switch_{SCHEDULE.id}").click().run()
    app.button(key=f"remove_{SCHEDULE.id}").click().run()
    assert not app.exception
    made = [request for request in api.asked("/v1/report-schedules") if request.method == "POST"]
    assert json.loads(made[0].content)["weekday"] == 0
    changes = api.asked(f"/v1/report-schedules/{SCHEDULE.id}")
    assert [request.method for request in changes] == ["PATCH", "DELETE"]
    assert json.loads(changes[0].content) == {"is_active": False}


def test_a_viewer_makes_and_reads_but_changes_nothing(open_screen: Open, api: ReportApi) -> None:
    api.role = "viewer"
    app = open_screen(SCREEN, "en", model=MODEL)
    assert not app.exception
    assert [button.key for button in app.button] == ["make_report"]


def test_a_failing_api_is_told_without_a_traceback(open_screen: Open, api: ReportApi) -> None:
    api.broken = {"/v1/reports", "/v1/report-schedules"}
    app = open_screen(SCREEN, "en", model=MODEL)
    assert not app.exception
    assert app.error

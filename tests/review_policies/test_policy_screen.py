"""The review policy's screen in both languages: nothing is saved before its preview was seen, every state is told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from backend.planted_items.schemas import PersonChecks, PlantedOut, PlantedRefusal, PlantedStored
from backend.reassignments.schemas import ReassignmentOut
from backend.review_policies.schemas import DayCount, Forecast, PeopleSpeed, PolicyOut, Preview
from dashboard.kit import data
from review.rules.sampling import ReviewPolicy
from tests.dashboard.conftest import connect, open_screen
from tests.dashboard.fake_api import NOW, FakeApi

__all__ = ["open_screen"]
Open = Callable[..., Any]
MODEL, SCREEN = "pcb-inspection", "review.screens.review_policy"
LANGUAGES = pytest.mark.parametrize("language", ["en", "vi"])
POLICY = ReviewPolicy.from_fields({"epsilon": 0.05, "budgets": {"low_confidence": 40}, "gold_share": 0.1})
BEFORE = ReviewPolicy.from_fields({"epsilon": 0.02})


def version(number: int, policy: ReviewPolicy, reason: str | None) -> PolicyOut:
    return PolicyOut(
        number=number,
        policy_id=policy.id,
        policy=policy.as_fields(),
        reason=reason,
        created_by="user:u1" if number else None,
        author="An Nguyễn" if number else None,
        created_at=NOW if number else None,
        is_current=True,
    )


def forecast(items: float, **reasons: float) -> Forecast:
    days = [DayCount(day=(NOW - timedelta(days=k)).date(), n=items) for k in range(7)]
    return Forecast(
        items_per_day=items,
        answers_per_day=items * 1.2,
        planted_per_day={"gold": items * 0.2},
        by_reason=reasons,
        by_day=days if items else [],
        least_pi=0.05,
    )


PREVIEW = Preview(
    start=NOW - timedelta(days=7),
    end=NOW,
    n_events=7000,
    n_subjects=6500,
    sample_every=1,
    proposed=forecast(60.0, low_confidence=40.0, random_audit=20.0),
    current=forecast(25.0, random_audit=25.0),
    people=PeopleSpeed(answers_per_day=50.0, busiest_day=64, n_people=3, median_s=9.5),
    n_known_items={"gold": 12},
)
CHECKS = [PersonChecks(judge="user:u2", name="Bình", n_checks=20, n_agreed=13, agreement=0.65)]
MOVED = ReassignmentOut(
    id="m1",
    judge="user:u2",
    name="Bình",
    window_start=NOW - timedelta(days=14),
    window_end=NOW,
    n_checks=20,
    n_agreed=13,
    min_agreement=0.8,
    n_items=31,
    n_waiting=12,
    created_at=NOW,
    reversed_by=None,
    reversed_at=None,
)
KNOWN = PlantedOut(
    id="k1", subject_id="board-9", kind="gold", label="ok", is_active=True, created_by="user:u1", created_at=NOW
)


class PolicyApi(FakeApi):
    """`preview` and `versions` are what the screen gets; `refuse` (status, code) is what a save is answered."""

    def __init__(self, role: str = "data_scientist") -> None:
        super().__init__(role)
        self.preview: Preview = PREVIEW
        self.versions = [version(2, POLICY, "more doubts"), version(1, BEFORE, "start")]
        self.checks, self.moved, self.known = list(CHECKS), [MOVED], [KNOWN]
        self.refuse: tuple[int, str] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        found = self._own(request.method, request.url.path)
        if found is None or any(request.url.path.startswith(prefix) for prefix in self.broken):
            return super().__call__(request)
        self.requests.append(request)
        if self.refuse is not None and request.method == "POST" and request.url.path == "/v1/review-policies":
            error = {"code": self.refuse[1], "message": "refused", "details": {}}
            return httpx.Response(self.refuse[0], json={"error": error})
        return httpx.Response(200, json=_plain(found))

    def _own(self, method: str, path: str) -> Any:
        answers: dict[tuple[str, str], Any] = {
            ("GET", "/v1/review-policies"): self.versions,
            ("POST", "/v1/review-policies"): version(3, POLICY, "go"),
            ("POST", "/v1/review-policies/preview"): self.preview,
            ("GET", "/v1/planted-items"): self.known,
            ("GET", "/v1/planted-items/checks"): self.checks,
            ("GET", "/v1/reassignments"): self.moved,
            ("POST", "/v1/planted-items"): PlantedStored(
                n_stored=1, refused=[PlantedRefusal(index=1, code="unknown_subject", message="nothing")]
            ),
        }
        if re.fullmatch("/v1/reassignments/[^/]+/reverse", path):
            return MOVED.model_copy(update={"reversed_at": NOW, "reversed_by": "user:u1"})
        if method == "DELETE" and path.startswith("/v1/planted-items/"):
            return KNOWN
        return answers.get((method, path))


def _plain(body: Any) -> Any:
    if isinstance(body, BaseModel):
        return json.loads(body.model_dump_json())
    return [_plain(one) for one in body] if isinstance(body, list) else body


@pytest.fixture
def api() -> Iterator[PolicyApi]:
    fake = PolicyApi()
    connect(fake)
    yield fake
    data.forget()


def _run_preview(preview: str) -> None:
    from backend.review_policies.schemas import Preview
    from dashboard.kit import session
    from review.screens import policy_preview

    session.settle_reader(session.refresh_person())
    policy_preview.show(Preview.model_validate_json(preview))


def look_at(api: PolicyApi, language: str, **changes: Any) -> Any:
    """The preview alone."""
    from streamlit.testing.v1 import AppTest

    api.language = language
    shown = PREVIEW.model_copy(update=changes).model_dump_json()
    app = AppTest.from_function(_run_preview, kwargs={"preview": shown}, default_timeout=30).run()
    assert not app.exception
    return app


def said(app: Any) -> str:
    kinds = ("title", "subheader", "caption", "markdown", "error", "warning", "success", "info")
    words = [str(element.value) for kind in kinds for element in app.get(kind)]
    return "\n".join([*words, *[f"{one.label} {one.value}" for one in app.metric]])


def sent(api: PolicyApi, path: str = "/v1/review-policies") -> list[dict[str, Any]]:
    return [json.loads(one.content) for one in api.asked(path) if one.method == "POST"]


def test_nothing_is_saved_before_the_preview_of_the_same_numbers_was_seen(open_screen: Open, api: PolicyApi) -> None:
    app = open_screen(SCREEN, "en", model=MODEL)
    assert not app.exception
    app.text_input(key="policy_reason").set_value("more audits").run()
    assert app.button(key="policy_save").disabled
    app.button(key="policy_preview").click().run()
    assert not app.exception
    assert not app.button(key="policy_save").disabled
    app.number_input(key=f"epsilon_{MODEL}_2").set_value(8.0).run()
    assert app.button(key="policy_save").disabled
    app.button(key="policy_preview").click().run()
    app.button(key="policy_save").click().run()
    assert not app.exception
    [saved] = sent(api)
    tried = sent(api, "/v1/review-policies/preview")[-1]
    assert (saved["reason"], saved["based_on"], saved["policy"]) == ("more audits", 2, tried["policy"])
    assert saved["policy"]["epsilon"] == 0.08
    untouched = POLICY.as_fields() | {"epsilon": 0.08}
    assert ReviewPolicy.from_fields(saved["policy"]).id == ReviewPolicy.from_fields(untouched).id


@LANGUAGES
def test_the_preview_says_items_by_reason_least_pi_answers_and_what_people_can_do(
    api: PolicyApi, language: str
) -> None:
    app = look_at(api, language)
    words = said(app)
    wanted = {
        "en": ["Items a day 60", "Answers a day 72", "5.000%", "All 7,000 predictions", "more than people ever gave"],
        "vi": ["Mẫu mỗi ngày 60", "Câu trả lời mỗi ngày 72", "5,000%", "7.000 dự đoán", "nhiều hơn mức mọi người từng"],
    }
    for text in wanted[language]:
        assert text in words
    figures = [json.loads(one.proto.spec) for one in app.get("plotly_chart")]
    assert [len(one["data"]) for one in figures] == [1, 1]


@LANGUAGES
def test_a_sampled_preview_and_one_without_traffic_say_so(api: PolicyApi, language: str) -> None:
    app = look_at(api, language, sample_every=8)
    assert ("one item in 8" if language == "en" else "một trong 8 mẫu") in said(app)
    app = look_at(api, language, n_events=0)
    assert ("no predictions in the last week" if language == "en" else "không có dự đoán nào") in said(app)


def test_people_who_keep_up_do_not_raise_a_warning_and_missing_gold_does(open_screen: Open, api: PolicyApi) -> None:
    fast = PeopleSpeed(answers_per_day=200.0, busiest_day=300, n_people=5, median_s=4.0)
    api.preview = PREVIEW.model_copy(update={"people": fast, "n_known_items": {}})
    app = open_screen(SCREEN, "en", model=MODEL)
    app.button(key="policy_preview").click().run()
    assert len(app.success) == 1
    assert ["there is none" in one.value for one in app.warning] == [True]


@LANGUAGES
def test_history_people_and_known_items_are_listed(open_screen: Open, api: PolicyApi, language: str) -> None:
    app = open_screen(SCREEN, language, model=MODEL)
    assert not app.exception
    history, checks, known = (one.value for one in app.dataframe)
    assert list(history.iloc[:, 3]) == ["more doubts", "start"]
    assert "2" in str(history.iloc[0, 4])
    assert checks.iloc[0, 0] == "Bình"
    assert known.iloc[0, 0] == "board-9"
    assert ("31 items went to others" if language == "en" else "31 mẫu đã giao") in said(app)


@LANGUAGES
def test_an_empty_screen_says_what_will_fill_it(open_screen: Open, api: PolicyApi, language: str) -> None:
    api.versions, api.checks, api.moved, api.known = [version(0, BEFORE, None)], [], [], []
    app = open_screen(SCREEN, language, model=MODEL)
    assert not app.exception
    for text in {
        "en": ["No policy was declared yet", "Nobody was measured yet", "There are no known items"],
        "vi": ["Chưa có chính sách nào", "Chưa ai được đo", "Chưa có mẫu đã biết nào"],
    }[language]:
        assert text in said(app)


def test_a_reassignment_is_taken_back_and_known_items_are_added(open_screen: Open, api: PolicyApi) -> None:
    app = open_screen(SCREEN, "en", model=MODEL)
    app.button(key="reverse_m1").click().run()
    assert [one.method for one in api.asked("/v1/reassignments/m1/reverse")] == ["POST"]
    app.text_area(key="known_subjects").set_value("board-1\n\n board-2 ").run()
    app.button(key="known_save").click().run()
    assert not app.exception
    [body] = sent(api, "/v1/planted-items")
    assert body["items"] == [{"subject_id": f"board-{k}", "kind": "gold", "label": None} for k in (1, 2)]
    assert any("board-2: nothing is known" in one.value for one in app.error)


@pytest.mark.parametrize("code", ["policy_changed", "policy_same"])
def test_a_refused_save_is_told_in_words(open_screen: Open, api: PolicyApi, code: str) -> None:
    app = open_screen(SCREEN, "en", model=MODEL)
    app.button(key="policy_preview").click().run()
    app.text_input(key="policy_reason").set_value("why").run()
    api.refuse = (409, code)
    app.button(key="policy_save").click().run()
    assert not app.exception
    assert any("Load the screen again" in one.value or "in force already" in one.value for one in app.warning)


def test_numbers_that_do_not_fit_are_told_and_not_sent_away(open_screen: Open, api: PolicyApi) -> None:
    app = open_screen(SCREEN, "en", model=MODEL)
    app.number_input(key=f"epsilon_{MODEL}_2").set_value(100.0).run()
    api.broken = {"/v1/review-policies/preview"}
    app.button(key="policy_preview").click().run()
    assert not app.exception
    assert app.error


@pytest.mark.parametrize("role", ["viewer", "inspector"])
def test_others_are_told_that_this_is_not_theirs(open_screen: Open, api: PolicyApi, role: str) -> None:
    api.role = role
    app = open_screen(SCREEN, "en", model=MODEL)
    assert not app.exception
    assert api.asked("/v1/review-policies") == []


def test_an_administrator_chooses_channels_for_resolutions(open_screen: Open, api: PolicyApi) -> None:
    api.role = "admin"
    app = open_screen(SCREEN, "en", model=MODEL)
    assert not app.exception
    assert app.multiselect(key=f"channels_{MODEL}_2").options

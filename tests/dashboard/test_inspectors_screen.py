"""The Inspectors screen in both languages and for each role: verdicts in words, own page, mix-ups, ties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dashboard.kit import data
from tests.dashboard.fake_api import FakeApi

MODULE = "review.screens.inspectors"
VIEWS = ("team", "own", "pairs", "consensus")
LANGUAGES = ("en", "vi")
Open = Callable[..., Any]


def said(app: Any) -> str:
    kinds = ("title", "subheader", "caption", "markdown", "info", "success", "warning", "error")
    words = [str(element.value) for kind in kinds for element in app.get(kind)]
    words += [f"{one.label} {one.value}" for one in app.metric]
    words += [str(frame.value.to_csv()) for frame in app.dataframe]
    return "\n".join(words)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_its_data_without_error(open_screen: Open, view: str, language: str) -> None:
    app = open_screen(MODULE, language, view=view)
    assert not app.exception
    assert not app.error
    told = {"en": ("12 older answers", "5 times somebody"), "vi": ("12 câu trả lời cũ hơn", "5 lần có người")}
    assert all(words in said(app) for words in told[language])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_without_data_says_what_would_fill_it(
    open_screen: Open, api: FakeApi, view: str, language: str
) -> None:
    api.is_empty = True
    app = open_screen(MODULE, language, view=view)
    assert not app.exception
    assert len(said(app)) > 200


@pytest.mark.parametrize("view", VIEWS)
def test_a_failing_api_is_told_where_it_fails(open_screen: Open, api: FakeApi, view: str) -> None:
    api.broken = {"/v1/judges"}
    app = open_screen(MODULE, "vi", view=view)
    assert not app.exception
    assert app.error


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            (
                "▲ marginal",
                "draw careful conclusions",
                "More shared items may change",
                "Made by: Right",
                "≥ 90% / 80%",
                "≤ 2% / 5%",
                "≤ 5% / 10%",
                "1.3",
            ),
        ),
        (
            "vi",
            (
                "▲ tạm được",
                "kết luận thận trọng",
                "Thêm mẫu chung có thể",
                "Do: Trả lời đúng",
                "≥ 90% / 80%",
                "≤ 2% / 5%",
                "≤ 5% / 10%",
                "1,3",
            ),
        ),
    ],
)
def test_the_team_is_judged_in_words_with_limits(open_screen: Open, language: str, words: tuple[str, ...]) -> None:
    shown = said(open_screen(MODULE, language))
    for one in words:
        assert one in shown, one


def test_without_a_standard_there_is_no_verdict_but_agreement_stays(open_screen: Open) -> None:
    app = open_screen(MODULE, standard="settled")
    assert not app.exception
    shown = said(app)
    assert "nothing to hold the answers against" in shown
    assert "0.71" in shown
    assert "✕" not in "".join(str(frame.value.to_csv()) for frame in app.dataframe)


@pytest.mark.parametrize(
    ("role", "views", "seen", "unseen"),
    [
        ("admin", list(VIEWS), ["Bình Lê", "outside"], []),
        ("data_scientist", list(VIEWS), ["An Nguyễn (me)"], ["Bình Lê", "outside,"]),
        ("inspector", ["team", "own", "pairs"], ["An Nguyễn (me)"], ["Bình Lê", "outside,"]),
        ("viewer", ["team", "pairs"], ["The whole team"], ["An Nguyễn (me)", "Bình Lê"]),
    ],
)
def test_each_role_sees_what_is_theirs(
    open_screen: Open, api: FakeApi, role: str, views: list[str], seen: list[str], unseen: list[str]
) -> None:
    api.role = role
    app = open_screen(MODULE)
    assert list(app.segmented_control[0].options) == [
        {"team": "Team", "own": "My page", "pairs": "Mix-ups", "consensus": "Consensus"}[one] for one in views
    ]
    shown = said(app)
    assert all(words in shown for words in seen)
    assert not any(words in shown for words in unseen)


def test_only_administrators_choose_whose_page(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(MODULE, view="own", judge="user:u2")
    assert api.asked("/v1/judges/inspector")[-1].url.params["judge"] == "user:u2"
    assert not app.exception
    data.forget()
    api.role, api.requests = "inspector", []
    open_screen(MODULE, view="own", judge="user:u2")
    assert "judge" not in api.asked("/v1/judges/inspector")[-1].url.params


def test_viewers_see_mix_ups_without_items(open_screen: Open, api: FakeApi) -> None:
    api.role = "viewer"
    shown = said(open_screen(MODULE, view="pairs"))
    assert "Open ↔ Short" in shown
    assert "Examples are shown to inspectors" in shown
    assert "board-7" not in shown


def test_ties_are_named_and_pages_belong_to_their_list(open_screen: Open, api: FakeApi) -> None:
    app = open_screen(MODULE, view="consensus", after="ties:board-3")
    assert api.asked("/v1/judges/consensus")[-1].url.params["after"] == "board-3"
    shown = said(app)
    assert "tie: Open = Short" in shown
    assert "8 ties, 11 on which the two ways differ" in shown
    open_screen(MODULE, view="consensus", show="different", after="ties:board-3")
    assert "after" not in api.asked("/v1/judges/consensus")[-1].url.params

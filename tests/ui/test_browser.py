"""The screens in a real browser on a real server: signing in and out, deep links, languages, and what must never
happen: a request to the outside, an error in the console, a page that scrolls sideways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from backend.client import Client
from dashboard.app import SCREENS
from tests.ui.conftest import Served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

WAIT_MS = 30_000


class Watched:
    """A page that remembers what must not happen."""

    def __init__(self, page: Any, base: str) -> None:
        self.page = page
        self.base = base
        self.complaints: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: self._console(message))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", lambda request: self._request(request.url))

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def _request(self, url: str) -> None:
        own = (self.base, self.base.replace("http", "ws", 1), "data:", "blob:")
        if not url.startswith(own):
            self.complaints.append(f"outside: {url}")

    def go(self, path: str) -> None:
        self.page.goto(f"{self.base}/{path}")
        self.settled()

    def settled(self) -> None:
        """Waits until a screen is there and its script has run to the end."""
        self.page.wait_for_selector("h1, h3")
        self.page.wait_for_function("() => document.querySelector('.stApp')?.dataset.testScriptState === 'notRunning'")

    def speaks(self, language: str) -> None:
        """Waits until the page says that it is in this language; the script that says so is loaded after the screen."""
        self.page.wait_for_function("language => document.documentElement.lang === language", arg=language)

    def sideways(self) -> bool:
        """Whether the page can be scrolled horizontally."""
        found: bool = self.page.evaluate(
            """() => [document.documentElement, document.querySelector('[data-testid=stMain]')]
            .some((part) => part && part.scrollWidth > part.clientWidth + 1)"""
        )
        return found


@pytest.fixture
def visitor(browser: Any, served: Served) -> Iterator[Watched]:
    """A browser without session."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB")
    yield Watched(context.new_page(), served.url)
    context.close()


@pytest.fixture
def person(visitor: Watched, served: Served) -> Watched:
    """A browser in which the first admin is signed in already."""
    visitor.page.context.add_cookies([{"name": "soi_session", "value": served.token, "url": served.url}])
    return visitor


@pytest.fixture(scope="module")
def one_tab(browser: Any, served: Served) -> Iterator[Watched]:
    """A tab that stays open for all tests of this file that only look, so that scripts are loaded once."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, locale="en-GB")
    context.add_cookies([{"name": "soi_session", "value": served.token, "url": served.url}])
    yield Watched(context.new_page(), served.url)
    context.close()


@pytest.fixture
def reader(one_tab: Watched) -> Watched:
    """The tab that stays open, with nothing to complain of yet."""
    one_tab.page.set_viewport_size({"width": 1280, "height": 720})
    one_tab.complaints.clear()
    return one_tab


def sign_in(visitor: Watched, served: Served, path: str = "") -> None:
    page = visitor.page
    page.goto(f"{served.url}/{path}")
    page.fill("input[name=email]", served.email)
    page.fill("input[name=password]", served.password)
    page.click("button[type=submit]")
    visitor.settled()


def screens() -> list[str]:
    """Addresses of all screens; the first is at the root."""
    return ["", *(screen.url_path for screen in SCREENS[1:])]


def test_signing_in_leads_to_the_page_that_was_asked_for(visitor: Watched, served: Served) -> None:
    sign_in(visitor, served, "inputs-outputs?model=board-check&range=30d&group=input")
    assert "/inputs-outputs?" in visitor.page.url
    assert visitor.page.locator("h1").inner_text() == "Inputs and outputs"
    assert "range=30d" in visitor.page.url
    visitor.page.get_by_text("Field by field").wait_for()
    assert visitor.complaints == []


def test_a_deep_link_survives_a_refresh(person: Watched) -> None:
    person.go("inputs-outputs?model=board-check&range=24h&group=output&split=version&prev=1")
    before = person.page.url
    person.page.reload()
    person.settled()
    assert person.page.url == before
    person.page.get_by_text("Label shares").wait_for()
    assert person.complaints == []


def test_model_and_range_go_along_to_the_next_screen(person: Watched) -> None:
    person.go("health?model=board-check&range=30d")
    person.page.get_by_role("link", name="Compare", exact=True).click()
    person.page.wait_for_url("**/compare?**")
    person.settled()
    assert "range=30d" in person.page.url
    assert "model=board-check" in person.page.url


def test_a_number_of_the_overview_leads_to_its_chart(person: Watched) -> None:
    person.go("")
    person.page.locator("[class*=st-key-soi_cell_null_output_rate] a").first.click()
    person.page.wait_for_url("**/inputs-outputs?**")
    person.settled()
    assert "group=output" in person.page.url
    person.page.get_by_text("Label shares").wait_for()


def test_a_box_on_a_chart_shows_the_rows_behind_it(person: Watched) -> None:
    person.go("health?model=board-check&range=24h")
    chart = person.page.locator("[class*=st-key-chart_error_rate] .nsewdrag").first
    chart.hover()  # once it lies still
    box = chart.bounding_box()
    person.page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.3)
    person.page.mouse.down()
    person.page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.7, steps=8)
    person.page.mouse.up()
    person.page.wait_for_url("**sel=**error_rate**")
    person.page.get_by_text("Rows behind the selection").wait_for()
    person.page.reload()
    person.settled()
    person.page.get_by_text("Rows behind the selection").wait_for()
    assert person.complaints == []


def test_signing_out_in_one_tab_signs_out_the_other(visitor: Watched, served: Served) -> None:
    person = visitor
    sign_in(person, served)
    other = Watched(person.page.context.new_page(), served.url)
    other.go("health")
    person.go("")
    person.page.get_by_role("button", name="An Nguyễn").click()
    person.page.get_by_role("button", name="Sign out").click()
    person.page.wait_for_url("**/login**")
    other.page.wait_for_url("**/login**")
    person.page.goto(f"{served.url}/health")
    assert "/login?next=" in person.page.url


def test_a_tab_that_missed_the_sign_out_follows_and_signing_in_again_holds(visitor: Watched, served: Served) -> None:
    visitor.page.context.add_init_script("BroadcastChannel.prototype.postMessage = () => {}")
    sign_in(visitor, served)
    other = Watched(visitor.page.context.new_page(), served.url)
    other.go("health")
    visitor.page.get_by_role("button", name="An Nguyễn").click()
    visitor.page.get_by_role("button", name="Sign out").click()
    visitor.page.wait_for_url("**/login**")
    other.page.wait_for_url("**/login**")
    sign_in(visitor, served)
    other.go("health")
    visitor.page.get_by_role("button", name="An Nguyễn").wait_for()
    assert "login" not in visitor.page.url + other.page.url


def test_a_session_ended_elsewhere_is_told_at_the_next_action(browser: Any, served: Served) -> None:
    context = browser.new_context(locale="en-GB")
    page = Watched(context.new_page(), served.url)
    sign_in(page, served)
    token = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == "soi_session")
    with Client(served.url, token) as client:
        client.transport.request("POST", "/v1/auth/logout")
    page.page.get_by_role("link", name="Health", exact=True).click()
    page.page.get_by_text("You are signed out").wait_for()
    context.close()


@pytest.mark.parametrize(
    ("path", "language"),
    [*((path, "vi") for path in screens()), *((path, "en") for path in ("", "health", "inspect", "compare"))],
    ids=lambda value: value or "root",
)
def test_a_screen_is_clean(reader: Watched, path: str, language: str) -> None:
    reader.go(f"{path}?lang={language}")
    reader.speaks(language)
    reader.page.wait_for_timeout(200)
    assert not reader.sideways()
    assert reader.complaints == []


@pytest.mark.parametrize("path", ["", "health", "compare"], ids=lambda path: path or "root")
def test_a_tablet_does_not_scroll_sideways(reader: Watched, path: str) -> None:
    reader.page.set_viewport_size({"width": 820, "height": 1180})
    reader.go(path)
    assert not reader.sideways()


def test_choosing_a_language_holds_for_the_next_visit(person: Watched) -> None:
    person.go("")
    person.page.get_by_text("Tiếng Việt", exact=True).click()
    person.page.get_by_role("heading", name="Tổng quan").wait_for()
    person.page.reload()
    person.settled()
    assert person.page.locator("h1").inner_text() == "Tổng quan"
    person.speaks("vi")
    person.page.get_by_text("English", exact=True).click()
    person.page.get_by_role("heading", name="Overview").wait_for()


def test_the_dark_theme_is_dark(browser: Any, served: Served) -> None:
    context = browser.new_context(color_scheme="dark", locale="en-GB")
    page = Watched(context.new_page(), served.url)
    sign_in(page, served, "health")
    ground = page.page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert ground == "rgb(17, 23, 29)"
    assert page.complaints == []
    context.close()

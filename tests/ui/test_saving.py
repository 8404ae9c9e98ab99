"""A saved screen in a real browser without any connection: it opens, says the same, looks the same, and asks for
nothing. Light and dark."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.ui.conftest import Served
from tests.ui.test_browser import Watched

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

MAIN = "[data-testid=stMainBlockContainer]"
CHARTS = tuple(f"[class*=st-key-chart_{name}] .svg-container" for name in ("null_output_rate", "label_shares"))
SLOW = {
    "charts": ".js-plotly-plot .main-svg .cartesianlayer",
    "tables": "canvas[data-testid=data-grid-canvas] table",
    "items": ".gallery .item img",
}
SAVE = ".st-key-soi_save_screen button"


@pytest.fixture
def person(request: pytest.FixtureRequest, browser: Any, served: Served) -> Iterator[Watched]:
    """The first admin, in each theme."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 900}, locale="en-GB", color_scheme=request.param, accept_downloads=True
    )
    context.add_cookies([{"name": "soi_session", "value": served.token, "url": served.url}])
    yield Watched(context.new_page(), served.url)
    context.close()


def save(person: Watched, path: str, to: Path, **drawn: int) -> Path:
    """Saves the screen when so many of its slow parts are drawn; tables carry a text for screen readers by then."""
    person.go(path)
    for name, n in drawn.items():
        person.page.locator(f"{MAIN} {SLOW[name]}").nth(n - 1).wait_for(state="attached")
    press_save(person, to)
    return to


def press_save(person: Watched, to: Path) -> None:
    """The event itself: a busy machine draws too few frames for the browser to call a button steady."""
    button = person.page.locator(SAVE)
    button.wait_for()
    with person.page.expect_download(timeout=120_000) as download:
        button.dispatch_event("click")
    download.value.save_as(to)


def open_alone(person: Watched, file: Path) -> Watched:
    """The file in a browser that has no network and no session."""
    context = person.page.context.browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    alone = Watched(context.new_page(), "file:")
    alone.page.goto(file.as_uri())
    return alone


def picture(page: Any, selector: str) -> np.ndarray[Any, Any]:
    taken = Image.open(io.BytesIO(page.locator(selector).first.screenshot())).convert("RGB")
    return np.asarray(taken.resize((240, 120)), dtype=np.float64)


@pytest.mark.parametrize("person", ["light", "dark"], indirect=True)
def test_a_saved_screen_opens_without_a_connection_and_looks_the_same(person: Watched, tmp_path: Path) -> None:
    file = save(person, "inputs-outputs?model=board-check&range=7d&group=output", tmp_path / "health.html", charts=3)
    alone = open_alone(person, file)
    assert alone.complaints == []
    page = alone.page
    assert page.locator("h1").inner_text() == "Inputs and outputs"
    assert "Board check" in page.locator(".soi-saved-facts").inner_text()
    assert "range=7d" in page.locator(".soi-saved-facts").inner_text()
    assert page.evaluate("document.title") == "Inputs and outputs · Board check"
    n_charts = person.page.locator(f"{MAIN} .js-plotly-plot").count()
    assert n_charts >= 2
    assert page.locator(".js-plotly-plot").count() == n_charts
    for chart in CHARTS:
        difference = np.abs(picture(person.page, chart) - picture(page, chart)).mean()
        assert difference < 2.5, chart
    ground = "getComputedStyle(document.querySelector('.stApp') ?? document.body).backgroundColor"
    assert page.evaluate(ground) == person.page.evaluate(ground)
    assert page.evaluate("document.querySelectorAll('script, button, input, iframe, link, form').length") == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.context.close()
    assert person.complaints == []


@pytest.mark.parametrize("person", ["dark"], indirect=True)
def test_tables_on_canvas_and_pictures_of_items_are_kept(person: Watched, served: Served, tmp_path: Path) -> None:
    file = save(
        person, "compare?model=board-check&range=30d&lang=vi", tmp_path / "compare.html", charts=3, tables=2, items=4
    )
    source = file.read_text(encoding="utf-8")
    assert served.token not in source
    alone = open_alone(person, file)
    page = alone.page
    assert page.evaluate("document.documentElement.lang") == "vi"
    shown = "[...document.querySelectorAll('*')].flatMap((e) => [e, ...(e.shadowRoot?.querySelectorAll('*') ?? [])])"
    pictures = page.evaluate(
        f"{shown}.filter((e) => e.localName === 'img').map((e) => [e.naturalWidth, e.src.slice(0, 11)])"
    )
    n_tables = person.page.locator(f"{MAIN} canvas[data-testid=data-grid-canvas]").count()
    n_items = person.page.locator(f"{MAIN} .gallery .item").count()
    assert n_tables >= 2
    assert n_items >= 4
    assert len(pictures) >= n_tables + n_items
    assert all(width > 0 and start == "data:image/" for width, start in pictures)
    assert page.locator(".soi-saved-reader table").count() >= n_tables
    assert alone.complaints == []
    page.context.close()


@pytest.mark.parametrize("person", ["light"], indirect=True)
def test_a_secret_that_is_shown_once_is_not_saved(person: Watched, tmp_path: Path) -> None:
    person.go("people")
    marked = """(main) => {
      const secret = document.createElement('div');
      secret.className = 'st-key-soi_secret';
      secret.textContent = 'soi_shown-once';
      const hidden = document.createElement('input');
      hidden.type = 'hidden'; hidden.value = 'hidden-token';
      const password = document.createElement('input');
      password.type = 'password'; password.value = 'typed-password';
      const run = document.createElement('p');
      run.setAttribute('onclick', 'alert(1)'); run.textContent = 'kept words';
      main.append(secret, hidden, password, run);
    }"""
    person.page.locator(MAIN).evaluate(marked)
    file = tmp_path / "people.html"
    press_save(person, file)
    source = file.read_text(encoding="utf-8")
    assert "kept words" in source
    for absent in ("soi_shown-once", "hidden-token", "typed-password", "onclick", "<script"):
        assert absent not in source, absent

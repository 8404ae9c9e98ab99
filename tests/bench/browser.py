"""A person at the bench in a real browser."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser, Page

from tests.bench.line import MODEL, Server

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_WATCH = """
window.painted = [];
window.addEventListener("soi-bench-painted", (event) => window.painted.push(event.detail.id));
"""


class Desk:
    """One tab of one person, showing the bench."""

    def __init__(self, browser: Browser, server: Server, token: str, **options: Any) -> None:
        self.server = server
        self.context = browser.new_context(viewport={"width": 1280, "height": 720}, **options)
        self.context.add_cookies([{"name": "soi_session", "value": token, "url": server.url}])
        self.context.add_init_script(_WATCH)
        self.bodies: list[str] = []
        self.problems: list[str] = []
        self.page = self.tab()

    def tab(self) -> Page:
        """One more tab of the same browser."""
        page = self.context.new_page()
        page.on("response", self._listen)
        page.on("websocket", lambda socket: socket.on("framereceived", self._hear))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self._console(message.type, message.text))
        page.set_default_timeout(20_000)
        return page

    def _listen(self, response: Any) -> None:
        if "/v1/" in response.url and "/v1/artifacts/" not in response.url and response.ok:
            try:
                self.bodies.append(response.text())
            except Exception:  # noqa: BLE001 - the tab was closed while the answer came
                self.bodies.append("")

    def _hear(self, payload: str | bytes) -> None:
        """What Streamlit sends, text or bytes."""
        self.bodies.append(payload if isinstance(payload, str) else payload.decode("utf-8", "ignore"))

    def _console(self, kind: str, text: str) -> None:
        if kind == "error" and "Failed to load resource" not in text:
            self.problems.append(text)

    def open(self, path: str = "/inspect", page: Page | None = None) -> Desk:
        """Go to the bench and wait for the first picture."""
        tab = page or self.page
        tab.goto(f"{self.server.url}{path}")
        self.wait_painted(1, tab)
        return self

    def wait_painted(self, n: int, page: Page | None = None) -> None:
        tab = page or self.page
        self.wait_until(lambda: self.n_painted(tab) >= n, f"{n} pictures", tab)
        tab.wait_for_timeout(140)  # the guard against two presses of one finger

    def wait_until(self, is_so: Callable[[], bool], what: str, page: Page, timeout_s: float = 20) -> None:
        """Looks from outside: the page's policy allows no evaluated conditions in it."""
        end = time.monotonic() + timeout_s
        while not is_so():
            if time.monotonic() > end:
                raise AssertionError(f"never came: {what}")
            page.wait_for_timeout(15)

    def n_painted(self, page: Page | None = None) -> int:
        n: int = (page or self.page).evaluate("window.painted.length")
        return n

    def press(self, key: str, page: Page | None = None) -> None:
        """A key that brings the next picture."""
        tab = page or self.page
        before = self.n_painted(tab)
        tab.keyboard.press(key)
        self.wait_painted(before + 1, tab)

    def subject(self) -> str:
        return self.page.locator(".bench .subject").inner_text()

    def part(self, name: str) -> str:
        """The text of a part of the bench."""
        return self.page.locator(f'.bench [data-at="{name}"]').inner_text()

    def wait_unsent(self, n: int, page: Page | None = None) -> None:
        tab = page or self.page
        place = tab.locator('.bench [data-at="unsent"]')
        self.wait_until(lambda: place.inner_text().endswith(f": {n}"), f"unsent: {n}", tab)

    def close(self) -> None:
        self.context.close()


__all__ = ["MODEL", "Desk"]

"""A running server and a browser for the tests of the bench."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.bench.browser import ARGUMENTS, CHROMIUM, Desk
from tests.bench.line import Line, Server, free_port
from tests.conftest import absent


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        absent("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    line = Line.build(tmp_path_factory.mktemp("line"), free_port())
    made = Server(line)
    made.start()
    yield made
    made.kill()
    line.database.dispose()


@pytest.fixture
def sit_down(chromium: Browser, server: Server) -> Iterator[Callable[..., Desk]]:
    """sit_down("an") gives that person's tab; afterwards no page may have had an error."""
    desks: list[Desk] = []

    def make(name: str, role: str = "inspector", language: str = "en", **options: Any) -> Desk:
        token = server.line.add_person(name, role, language)
        desks.append(Desk(chromium, server, token, **options))
        return desks[-1]

    yield make
    for desk in desks:
        desk.close()
    assert [problem for desk in desks for problem in desk.problems] == []

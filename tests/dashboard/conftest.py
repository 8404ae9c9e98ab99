"""Screens one at a time, against a recorded API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend import ui_connection
from dashboard.kit import data
from tests.dashboard.fake_api import FakeApi

APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """The recorded API, in the place of the real one."""
    fake = FakeApi()
    connect(fake)
    yield fake
    data.forget()


def connect(fake: FakeApi) -> None:
    transport = httpx.MockTransport(fake)
    ui_connection.use(lambda _: httpx.Client(base_url="http://soi.test", transport=transport, trust_env=False))
    data.forget()


def _run_screen(module: str) -> None:
    """The script of a screen test: what app.py does around a screen, without the navigation."""
    from importlib import import_module

    from dashboard.kit import frame, session

    session.settle_reader(session.refresh_person())
    with frame.errors():
        import_module(module).show()


@pytest.fixture
def open_screen(api: FakeApi) -> Callable[..., Any]:
    """Runs a screen's module for a reader, with its address's parameters."""
    from streamlit.testing.v1 import AppTest

    def open_it(module: str, language: str = "en", **params: str) -> Any:
        api.language = language
        app = AppTest.from_function(_run_screen, kwargs={"module": module}, default_timeout=30)
        for name, value in params.items():
            app.query_params[name] = value
        return app.run()

    return open_it

"""The screens, served: Streamlit's ASGI app behind our gate, either inside the API's process (`mount_ui`) or as a
service of its own that talks to the API over HTTP (`create_ui_app`). One Streamlit app per process."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import HTTPConnection

from backend import memory, ui_connection
from backend.auth.service import COOKIE
from backend.http import SecurityHeaders
from backend.settings import Settings
from backend.ui_forward import ApiForward
from backend.ui_gate import UiGate, Visitor, WhoIs
from backend.ui_page import Page, StaticFiles

if TYPE_CHECKING:
    from backend.processes.sampling import Sampler

DASHBOARD: Final = Path(__file__).resolve().parent.parent / "dashboard"
#: Imported before the collector is frozen, so that no later collection walks through them again.
_WARM: Final = (
    "plotly.graph_objects",
    "pandas",
    "pyarrow",
    "babel.dates",
    "dashboard.kit.frame",
    "dashboard.kit.charts",
)
log = structlog.get_logger("soi.ui")


class Ui:
    """The screens of this process; `lifespan()` is entered by the app's own lifespan."""

    def __init__(self, settings: Settings, who_is: WhoIs, connect: Any) -> None:
        import streamlit as st
        from streamlit import file_util

        configure_streamlit(settings)
        self._app = st.App(DASHBOARD / "app.py", on_script_error=_tell_of_crash)
        self._started = self._app.lifespan()
        self._connect = connect
        static = Path(file_util.get_static_dir())
        self.gate = UiGate(
            self._app,
            who_is,
            Page((static / "index.html").read_text(encoding="utf-8")),
            StaticFiles(static, DASHBOARD / "assets" / "icon.png"),
            settings.language,
        )
        ui_connection.set_default_language(settings.language)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Runs Streamlit for as long as the process serves."""
        self._connect(asyncio.get_running_loop())
        await asyncio.to_thread(_warm_up)
        async with self._started(self._app):
            yield


def mount_ui(app: FastAPI, settings: Settings) -> None:
    """Put the screens behind every path that the API does not know."""
    authenticator = app.state.services.authenticator

    async def who_is(request: HTTPConnection) -> Visitor | None:
        principal = await authenticator.authenticate(request)
        if principal is None or principal.kind != "user":
            return None
        return Visitor(request.cookies[COOKIE])

    def connect(loop: asyncio.AbstractEventLoop) -> None:
        if settings.api_url:
            ui_connection.connect_over_http(settings.api_url)
        else:
            ui_connection.connect_in_process(app, loop)

    app.state.ui = Ui(settings, who_is, connect)
    # The default of the router, not a mount at "/": a mount would also swallow 405 answers of the API's own paths.
    app.router.default = app.state.ui.gate


def create_ui_app(settings: Settings) -> Starlette:
    """The screens as a service of their own. `api_url` is where the API answers; what the browser asks of the API on
    this address (sign-in, pictures, decisions) is handed on to it, so that both are one origin."""
    if not settings.api_url:
        raise ValueError("SOI_API_URL is empty: the screens need the address of the API")
    forward = ApiForward(settings.api_url)

    async def who_is(request: HTTPConnection) -> Visitor | None:
        token = request.cookies.get(COOKIE)
        return Visitor(token) if token and await forward.is_session(token) else None

    ui = Ui(settings, who_is, lambda _: ui_connection.connect_over_http(settings.api_url))

    sampler = report_usage(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with ui.lifespan(), forward:
            if sampler is not None:
                sampler.start()
            yield
            if sampler is not None:
                await asyncio.to_thread(sampler.stop)

    app = Starlette(lifespan=lifespan)
    app.add_middleware(SecurityHeaders)
    app.router.default = forward.before(ui.gate)
    return app


def report_usage(settings: Settings) -> Sampler | None:
    """Tells the API what this process uses, where there is a key to tell it with: it has no database of its own."""
    if settings.app_key is None:
        return None
    from backend.client import Client
    from backend.processes.sampling import Sampler
    from backend.processes.schemas import SampleIn

    client = Client(settings.api_url, settings.app_key.get_secret_value(), timeout_s=5)
    return Sampler("app", settings.data_dir, dict, lambda row: client.processes.report(SampleIn(**row)))


def configure_streamlit(settings: Settings) -> None:
    """Streamlit's options, all from here, so that no file beside the checkout can change them."""
    from streamlit import config

    theme = import_module("dashboard.kit.theme")
    trusted = [item.strip() for item in settings.trusted_origins.split(",") if item.strip()]
    options: dict[str, Any] = {
        "global.developmentMode": False,
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "client.toolbarMode": "viewer",
        "logger.level": "warning",
        "runner.magicEnabled": False,
        "runner.postScriptGC": False,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.maxUploadSize": 64,
        "server.disconnectedSessionTTL": 120,
        "server.corsAllowedOrigins": [settings.public_url, *trusted],
        **theme.streamlit_options(),
    }
    for name, value in options.items():
        config.set_option(name, value)


def _warm_up() -> None:
    """Import what every screen needs, then take all of it out of the collector's sight: the collections during script
    runs fell from 53 ms to a few, and three times as many sessions fit."""
    for name in _WARM:
        import_module(name)
    memory.freeze()


def _tell_of_crash(error: Exception) -> bool:
    """A screen broke: the traceback goes to the log, the person sees a reference to it and what to do."""
    reference = uuid.uuid4().hex[:8]
    log.error("a screen broke", reference=reference, error=repr(error)[:500], exc_info=error)
    import_module("dashboard.kit.frame").show_crash(reference)
    return True

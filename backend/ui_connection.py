"""How the screens of this process reach the API: set once at start by whoever serves them, read by the screens'
session. In one process the call goes straight into the ASGI app, without a socket; otherwise over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
from starlette.types import ASGIApp

#: Name of the header in which our own gate hands a verified session to the screens; clients cannot send it.
SESSION_HEADER = "x-soi-session"
#: The language the gate wrote into the page, so that the first script run agrees with it.
LANGUAGE_HEADER = "x-soi-language"

_open: Callable[[str | None], httpx.Client] | None = None
_default_language = "en"


class LoopTransport(httpx.BaseTransport):
    """Synchronous requests from script threads into an ASGI app that runs on another thread's event loop.

    A small request takes 0.3 ms (median), there is no socket to wait for, and no port or certificate to know.
    """

    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop, timeout_s: float = 30) -> None:
        self._inner = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self._loop = loop
        self._timeout_s = timeout_s

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        waiting = asyncio.run_coroutine_threadsafe(self._call(request), self._loop)
        try:
            return waiting.result(self._timeout_s)
        except TimeoutError as error:
            waiting.cancel()
            raise httpx.ReadTimeout("the API took too long", request=request) from error

    async def _call(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        body = await answer.aread()
        return httpx.Response(answer.status_code, headers=answer.headers, content=body, request=request)


def connect_in_process(app: ASGIApp, loop: asyncio.AbstractEventLoop) -> None:
    """Screens call this app directly."""
    transport = LoopTransport(app, loop)

    def open_client(token: str | None) -> httpx.Client:
        return httpx.Client(
            base_url="http://soi.internal", transport=transport, headers=_bearer(token), timeout=30, trust_env=False
        )

    use(open_client)


def connect_over_http(api_url: str) -> None:
    """Screens call the API of another process."""
    limits = httpx.Limits(max_connections=32, max_keepalive_connections=16)
    transport = httpx.HTTPTransport(limits=limits, trust_env=False, retries=1)

    def open_client(token: str | None) -> httpx.Client:
        return httpx.Client(base_url=api_url, transport=transport, headers=_bearer(token), timeout=30, trust_env=False)

    use(open_client)


def use(open_client: Callable[[str | None], httpx.Client]) -> None:
    """Make this the way to open a client; tests pass their own."""
    global _open
    _open = open_client


def open_http(token: str | None) -> httpx.Client:
    """A client that acts with this token. It shares connections: do not close it."""
    if _open is None:
        raise RuntimeError("the screens are not connected to an API: they are served by backend.ui_mount")
    return _open(token)


def set_default_language(language: str) -> None:
    global _default_language
    _default_language = language


def default_language() -> str:
    """The language of people who chose none (SOI_LANGUAGE)."""
    return _default_language


def _bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}

"""When the screens are a service of their own: hands the API's paths on to the API, so that the browser sees one
origin. In production a proxy usually does this before us; then these paths never arrive here."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Final, Self

import httpx
from cachetools import TTLCache
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.errors import Unavailable
from backend.http import respond

_FORWARDED: Final = ("/v1/", "/v2/", "/login", "/healthz", "/readyz")
#: Headers that belong to one connection and are not passed on.
_HOP: Final = frozenset(
    {
        "connection",
        "x-forwarded-for",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "proxy-authorization",
        "host",
    }
)
#: How long a session is taken as valid after the API confirmed it.
_SESSION_S: Final = 1.0


class ApiForward:
    """A small reverse proxy for the API's paths, and the question whether a session is valid."""

    def __init__(self, api_url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=api_url, timeout=60, trust_env=False, follow_redirects=False, transport=transport
        )
        self._sessions: TTLCache[str, bool] = TTLCache(10_000, _SESSION_S, timer=time.monotonic)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def is_session(self, token: str) -> bool:
        """Whether the API knows this session; raises Unavailable when it does not answer."""
        if token in self._sessions:
            return bool(self._sessions[token])
        try:
            answer = await self._http.get("/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
        except httpx.HTTPError as error:
            raise Unavailable("the API does not answer", retry_after_s=2) from error
        is_valid = answer.is_success and answer.json().get("kind", "user") == "user"
        self._sessions[token] = is_valid
        return is_valid

    def before(self, inner: ASGIApp) -> ASGIApp:
        """An ASGI app that answers the API's paths by the API and all others by `inner`."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and f"{scope['path']}/".startswith(_FORWARDED):
                await (await self._forward(Request(scope, receive)))(scope, receive, send)
            else:
                await inner(scope, receive, send)

        return app

    async def _forward(self, request: Request) -> Response:
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        onward = self._http.build_request(
            request.method, address, headers=_headers(request), content=_body(request) if has_body else None
        )
        try:
            answer = await self._http.send(onward, stream=True)
        except httpx.HTTPError:
            return respond(Unavailable("the API does not answer", retry_after_s=2), request.url.path)
        response = StreamingResponse(answer.aiter_raw(), status_code=answer.status_code)
        response.raw_headers = [
            (name.lower(), value) for name, value in answer.headers.raw if name.decode().lower() not in _HOP
        ]
        response.background = BackgroundTask(answer.aclose)
        return response


def _headers(request: Request) -> list[tuple[str, str]]:
    """The browser's headers, with its address and the host it asked for."""
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP]
    headers.append(("host", request.headers.get("host", "")))
    if request.client:
        through = request.headers.get("x-forwarded-for")
        headers.append(("x-forwarded-for", ", ".join(filter(None, (through, request.client.host)))))
    return headers


async def _body(request: Request) -> AsyncIterator[bytes]:
    async for part in request.stream():
        yield part

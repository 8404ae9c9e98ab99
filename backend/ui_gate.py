"""What stands before the screens: no session, no page. Serves the page and its assets itself (compressed, with our
content policy), hands everything else of a signed-in person to Streamlit with a verified session header."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.errors import NotAuthenticated, NotFound, SoiError
from backend.http import respond
from backend.ui_connection import LANGUAGE_HEADER, SESSION_HEADER
from backend.ui_page import Page, StaticFiles

#: Paths of the API: the screens never answer them, so a wrong one stays a JSON 404.
API_PREFIXES: Final = ("/v1/", "/v2/")
#: Streamlit's own endpoints and files; they are not pages, so without a session they answer 401 and never redirect.
_PARTS: Final = ("/_stcore/", "/media/", "/component/", "/app/static/")
#: Doors of Streamlit that we keep shut: an interface for programs beside our API.
_SHUT: Final = ("/_stcore/agent",)
#: Headers that only this gate may set. Authorization is dropped too: the screens go by the cookie alone.
_OURS: Final = frozenset({SESSION_HEADER.encode(), LANGUAGE_HEADER.encode(), b"authorization"})
_NO_SESSION_CLOSE: Final = 4401


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in person, by the session token that was verified."""

    token: str


#: Answers who makes a request; raises SoiError when it must be refused outright.
WhoIs = Callable[[HTTPConnection], Awaitable[Visitor | None]]


class UiGate:
    """ASGI app before Streamlit. `who_is` checks the session, `inner` is Streamlit."""

    def __init__(self, inner: ASGIApp, who_is: WhoIs, page: Page, files: StaticFiles, default_language: str) -> None:
        self.inner = inner
        self.who_is = who_is
        self.page = page
        self.files = files
        self.default_language = default_language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            answer = await self._answer(scope)
            if answer is not None:
                await answer(scope, receive, send)
            else:
                await self.inner(scope, receive, send)
        elif scope["type"] == "websocket":
            if await self._admit(scope):
                await self.inner(scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": _NO_SESSION_CLOSE, "reason": "sign in"})

    async def _answer(self, scope: Scope) -> Response | None:
        """Our own answer, or None when Streamlit shall answer."""
        path: str = scope["path"]
        if f"{path}/".startswith(API_PREFIXES) or path.startswith(_SHUT):
            return respond(NotFound(f"there is nothing at {path}"), path)
        if scope["method"] in {"GET", "HEAD"}:
            found = await self.files.get(path, Headers(scope=scope))
            if found is not None:
                return found
        try:
            visitor = await self._admit(scope)
        except SoiError as error:
            return respond(error, path)
        if is_page(scope):
            return self._page(scope) if visitor else _to_login(scope)
        if not visitor:
            return respond(NotAuthenticated("sign in first"), path)
        return None

    async def _admit(self, scope: Scope) -> bool:
        """Whether a signed-in person asks; strips identity headers of the client and sets the verified ones."""
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name.lower() not in _OURS]
        try:
            visitor = await self.who_is(HTTPConnection(scope))
        except SoiError:
            if scope["type"] == "websocket":
                return False
            raise
        if visitor is None:
            return False
        scope["headers"] += [
            (SESSION_HEADER.encode(), visitor.token.encode("latin-1")),
            (LANGUAGE_HEADER.encode(), self.default_language.encode()),
        ]
        return True

    def _page(self, scope: Scope) -> Response:
        return self.page.answer(HTTPConnection(scope), self.default_language)


def is_page(scope: Scope) -> bool:
    """Whether a browser asks for a page of ours, at any deep link: one segment, no file name."""
    path: str = scope["path"]
    if scope["method"] not in {"GET", "HEAD"} or path.startswith(_PARTS):
        return False
    name = path.strip("/")
    return "/" not in name and "." not in name


def _to_login(scope: Scope) -> Response:
    wanted = scope["path"]
    if scope.get("query_string"):
        wanted += "?" + scope["query_string"].decode("latin-1")
    target = "/login" if wanted == "/" else "/login?next=" + quote(wanted, safe="")
    return RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})

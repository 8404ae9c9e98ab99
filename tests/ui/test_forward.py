"""The screens as a service of their own: what is handed on to the API; and how screens reach an API in-process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from backend.errors import Unavailable
from backend.ui_connection import LoopTransport
from backend.ui_forward import ApiForward


async def echo(request: Request) -> Response:
    body = (await request.body()).decode()
    seen = {"path": request.url.path, "query": str(request.query_params), "body": body, **dict(request.headers)}
    answer = JSONResponse(seen, status_code=201, headers={"x-from": "api"})
    answer.set_cookie("soi_session", "t", httponly=True)
    return answer


async def account(request: Request) -> Response:
    if request.headers.get("authorization") == "Bearer good":
        return JSONResponse({"kind": "user"})
    if request.headers.get("authorization") == "Bearer key":
        return JSONResponse({"kind": "key"})
    return JSONResponse({}, status_code=401)


API = Starlette(routes=[Route("/v1/auth/me", account), Route("/{path:path}", echo, methods=["GET", "POST"])])
SCREENS = Starlette(routes=[Route("/{path:path}", lambda request: PlainTextResponse("screens"))])


def ask(method: str, path: str, **options: object) -> httpx.Response:
    async def go() -> httpx.Response:
        async with ApiForward("http://api.test", httpx.ASGITransport(app=API)) as forward:
            transport = httpx.ASGITransport(app=forward.before(SCREENS))
            async with httpx.AsyncClient(transport=transport, base_url="http://soi.test") as client:
                return await client.request(method, path, **options)  # type: ignore[arg-type]

    return asyncio.run(go())


def test_paths_of_the_api_are_handed_on_whole() -> None:
    answer = ask("POST", "/v1/decisions?model=pcb", content=b"body", headers={"cookie": "soi_session=t"})
    seen = answer.json()
    assert answer.status_code == 201
    assert (seen["path"], seen["query"], seen["body"]) == ("/v1/decisions", "model=pcb", "body")
    assert seen["host"] == "soi.test"
    assert seen["cookie"] == "soi_session=t"
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert answer.headers["x-from"] == "api"
    assert "httponly" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("path", ["/", "/health", "/_stcore/health", "/static/x.js"])
def test_other_paths_are_the_screens(path: str) -> None:
    assert ask("GET", path).text == "screens"


@pytest.mark.parametrize(("token", "expected"), [("good", True), ("bad", False), ("key", False)])
def test_only_a_person_the_api_knows_has_a_session(token: str, expected: bool) -> None:
    async def go() -> bool:
        async with ApiForward("http://api.test", httpx.ASGITransport(app=API)) as forward:
            return await forward.is_session(token)

    assert asyncio.run(go()) is expected


def test_an_api_that_is_away_is_told_as_unavailable() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async def go() -> httpx.Response:
        async with ApiForward("http://api.test", httpx.MockTransport(away)) as forward:
            with pytest.raises(Unavailable):
                await forward.is_session("any")
            transport = httpx.ASGITransport(app=forward.before(SCREENS))
            async with httpx.AsyncClient(transport=transport, base_url="http://soi.test") as client:
                return await client.get("/v1/models")

    answer = asyncio.run(go())
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "unavailable"


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


def test_threads_reach_an_app_on_another_loop(loop: asyncio.AbstractEventLoop) -> None:
    with httpx.Client(transport=LoopTransport(API, loop), base_url="http://in.process") as client:
        answers: list[int] = []
        threads = [
            threading.Thread(target=lambda: answers.append(client.post("/v1/x", json={"a": 1}).status_code))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [201] * 8


def test_a_slow_answer_is_a_timeout_and_not_a_hanging_screen(loop: asyncio.AbstractEventLoop) -> None:
    async def slow(_: Request) -> Response:
        await asyncio.sleep(5)
        return PlainTextResponse("late")

    app = Starlette(routes=[Route("/slow", slow)])
    with (
        httpx.Client(transport=LoopTransport(app, loop, timeout_s=0.1), base_url="http://in.process") as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        client.get("/slow")

"""Middleware and error handlers of the ASGI app; every answer that is an error is rendered here.

Under /v2 errors have the shape of the Open Inference Protocol, {"error": "text"}; everywhere else our own.
"""

from __future__ import annotations

import math
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.errors import Invalid, Malformed, OutOfSpace, SoiError, Unavailable
from backend.settings import Settings
from backend.status.metrics import RequestTimes

log = structlog.get_logger("soi.http")

_STATUS_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}


def respond(error: SoiError, path: str) -> JSONResponse:
    """The answer for one error of a request for `path`."""
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    body = {"error": error.message} if is_open_inference(path) else error.body()
    return JSONResponse(body, status_code=error.status, headers=headers)


def is_open_inference(path: str) -> bool:
    """Whether a path belongs to the Open Inference Protocol.

    >>> is_open_inference("/v2"), is_open_inference("/v2/models/m"), is_open_inference("/v20")
    (True, True, False)
    """
    return path == "/v2" or path.startswith("/v2/")


def storage_error(error: Exception) -> SoiError:
    """What a database failure means to a caller: come back later (503), or the disk is full (507)."""
    if isinstance(error, DataError):
        return Invalid("a value does not fit the database; nothing was stored")
    text = str(error).lower()
    if "disk is full" in text or "no space left" in text:
        return OutOfSpace("the disk is full; nothing was stored", retry_after_s=30)
    return Unavailable("the database did not answer; nothing was stored", retry_after_s=2)


def install_error_handlers(app: FastAPI) -> None:
    """Render every exception as {"error": ...}; a traceback never leaves the process."""

    @app.exception_handler(SoiError)
    async def _soi(request: Request, error: SoiError) -> JSONResponse:
        return respond(error, request.scope["path"])

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
        path: str = request.scope["path"]
        problems = [
            {"pointer": "/" + "/".join(str(part) for part in item["loc"][1:]), "message": str(item["msg"])}
            for item in error.errors()[:20]
        ]
        if any(item["type"] == "json_invalid" for item in error.errors()):
            return respond(Malformed("the body is not valid JSON", details={"problems": problems}), path)
        return respond(Invalid("the request does not fit the schema", details={"problems": problems}), path)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        code = _STATUS_CODES.get(error.status_code, "http_error")
        body: dict[str, Any] = {"error": {"code": code, "message": str(error.detail), "details": {}}}
        if is_open_inference(request.scope["path"]):
            body = {"error": str(error.detail)}
        return JSONResponse(body, status_code=error.status_code, headers=error.headers)

    async def _storage(request: Request, error: Exception) -> JSONResponse:
        log.warning("storage failed", error=str(error)[:300])
        return respond(storage_error(error), request.scope["path"])

    @app.exception_handler(Exception)
    async def _bug(request: Request, _: Exception) -> JSONResponse:
        # The exception itself goes on to the server's log.
        answer = respond(SoiError("the server made a mistake; its log says which"), request.scope["path"])
        answer.headers["Connection"] = "close"  # as the server does it
        return answer

    for kind in (OperationalError, DBAPIError, PoolTimeout):
        app.add_exception_handler(kind, _storage)


class SecurityHeaders:
    """Adds the headers that every answer of the API carries."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            # PostgreSQL cannot hold a NUL, SQLite can: both answer alike.
            await respond(Malformed("the address contains a NUL character"), scope["path"])(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"same-origin"),
                    (b"x-frame-options", b"DENY"),
                ]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def install_middleware(app: FastAPI, settings: Settings) -> None:
    """Plain ASGI middleware only: a BaseHTTPMiddleware costs more than the whole logging path."""
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestTimes)

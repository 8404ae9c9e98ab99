"""Receives a file of a request into a temporary file, stopping as soon as it is larger than its kind may be."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.types import Message, Receive

from backend.artifacts.service import max_bytes_of
from backend.errors import Malformed, TooLarge
from backend.settings import Settings

_CHUNK_BYTES = 2**20
#: What multipart adds around one file.
_FORM_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Received:
    path: Path
    declared: str


@asynccontextmanager
async def received_file(request: Request, settings: Settings) -> AsyncIterator[Received]:
    """The body (or the field "file" of a multipart form) as a file that is gone after the block."""
    declared = request.headers.get("content-type", "")
    with tempfile.NamedTemporaryFile(prefix="soi-upload-") as file:
        if declared.startswith("multipart/form-data"):
            declared = await _receive_form(request, settings, file)
        else:
            limit = settings.max_model_bytes
            n_bytes, is_first = 0, True
            async for chunk in request.stream():
                if is_first and chunk:
                    limit, is_first = max_bytes_of(chunk, settings), False
                n_bytes += len(chunk)
                _check_size(n_bytes, limit)
                file.write(chunk)
        file.flush()
        yield Received(Path(file.name), declared)


async def _receive_form(request: Request, settings: Settings, file: tempfile._TemporaryFileWrapper[bytes]) -> str:
    limited = Request(request.scope, _limited(request, settings.max_model_bytes + _FORM_BYTES))
    async with limited.form(max_files=1, max_fields=5) as form:
        sent = form.get("file")
        if not isinstance(sent, UploadFile):
            raise Malformed('the form has no file field named "file"', code="no_file")
        n_bytes, limit = 0, settings.max_model_bytes
        while chunk := await sent.read(_CHUNK_BYTES):
            limit = max_bytes_of(chunk, settings) if n_bytes == 0 else limit
            n_bytes += len(chunk)
            _check_size(n_bytes, limit)
            file.write(chunk)
        return sent.content_type or ""


def _limited(request: Request, limit: int) -> Receive:
    n_bytes = 0

    async def receive() -> Message:
        nonlocal n_bytes
        message = await request.receive()
        n_bytes += len(message.get("body", b""))
        _check_size(n_bytes, limit)
        return message

    return receive


def _check_size(n_bytes: int, limit: int) -> None:
    if n_bytes > limit:
        raise TooLarge("the file is too large", details={"max_bytes": limit})

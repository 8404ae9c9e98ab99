"""Receives an uploaded file of training data into a temporary file, stopping when it is larger than it may be."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Request

from backend.errors import Malformed, TooLarge


@asynccontextmanager
async def received_body(request: Request, max_bytes: int) -> AsyncIterator[Path]:
    """The body as a file that is gone after the block."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise Malformed("send the file itself as the body, not as a form")
    with tempfile.NamedTemporaryFile(prefix="soi-reference-") as file:
        n_bytes = 0
        async for chunk in request.stream():
            n_bytes += len(chunk)
            if n_bytes > max_bytes:
                raise TooLarge("the file is too large", details={"max_bytes": max_bytes})
            file.write(chunk)
        file.flush()
        yield Path(file.name)

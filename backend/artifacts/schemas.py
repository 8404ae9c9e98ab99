"""Shapes of stored files."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from backend.shapes import Output

ArtifactKind = Literal["image", "audio", "text", "model"]


class ArtifactRead(Output):
    """What is known about a stored file. Its name is the SHA-256 of its bytes. `measures` are there once the worker has
    taken them: brightness, volume, length and so on, or {"error": why not}."""

    sha256: str
    kind: str
    media_type: str
    n_bytes: int
    width: int | None
    height: int | None
    duration_s: float | None
    has_thumbnail: bool
    measures: dict[str, Any] | None = None
    created_at: datetime


class Uploaded(ArtifactRead):
    """`is_new` is false when these bytes were here already; `is_stripped` says that metadata was taken out,

    so that the stored bytes (and their SHA-256) differ from those sent.
    """

    is_new: bool
    is_stripped: bool

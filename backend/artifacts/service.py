"""What kind of file was sent, whether it is fit to be stored, and storing it under the hash of its bytes."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from backend.artifacts.images import check_image
from backend.artifacts.model_files import inspect_model_file
from backend.artifacts.schemas import ArtifactRead, Uploaded
from backend.artifacts.sounds import check_sound
from backend.auth.rules import Principal
from backend.errors import Invalid, Malformed, NotAllowed, NotFound, TooLarge, UnsupportedMediaType
from backend.services import Services
from backend.settings import Settings
from db.models.model import Artifact
from db.repositories import artifacts

#: Decoding takes memory (an image up to 4 bytes a pixel and more): only so many at once.
_decoders = threading.BoundedSemaphore(2)
_MARKUP = ("<svg", "<?xml", "<!doctype", "<html", "<script")
_HEAD_BYTES = 512


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that may be stored. `data` is None when it is stored from its path (model files)."""

    row: Artifact
    data: bytes | None = None
    thumbnail: bytes | None = None


def sniff_kind(head: bytes) -> str | None:
    """image, audio or model from the first bytes; None when they are none of these.

    >>> sniff_kind(b"\\x89PNG\\r\\n\\x1a\\n")
    'image'
    """
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM")) or (head[:4], head[8:12]) == (b"RIFF", b"WEBP"):
        return "image"
    if head.startswith((b"fLaC", b"OggS")) or (head[:4], head[8:12]) == (b"RIFF", b"WAVE"):
        return "audio"
    return "model" if head.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")) else None


def max_bytes_of(head: bytes, settings: Settings) -> int:
    """How large a file that begins like this may be."""
    kind = sniff_kind(head)
    if kind == "model":
        return settings.max_model_bytes
    return settings.max_artifact_bytes if kind else settings.max_text_bytes


def store_file(soi: Services, me: Principal, path: Path, declared: str) -> Uploaded:
    """Check a received file and store it. The row is written last, in its own short transaction."""
    checked = check_file(path, declared, soi.settings)
    if checked.data is None:
        with path.open("rb") as file:
            checked.row.sha256 = soi.artifacts.put(file)
    else:
        checked.row.sha256 = soi.artifacts.put(checked.data)
    if checked.thumbnail is not None:
        soi.artifacts.put_thumbnail(checked.row.sha256, checked.thumbnail)
    checked.row.created_by = me.actor
    with soi.database.write() as session:
        is_new = artifacts.add_artifact(session, checked.row)
        stored = artifacts.get_artifact(session, checked.row.sha256)
        assert stored is not None
        is_stripped = checked.data is not None and checked.data != path.read_bytes()
        return Uploaded(**ArtifactRead.model_validate(stored).model_dump(), is_new=is_new, is_stripped=is_stripped)


def check_file(path: Path, declared: str, settings: Settings) -> Checked:
    """Look at the bytes; the declared Content-Type only decides between text and nothing."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise Malformed("the file is empty", code="empty_file")
    kind = sniff_kind(head)
    declared = declared.partition(";")[0].strip().lower()
    if kind == "model":
        media_type = inspect_model_file(path)
        return Checked(Artifact(kind="model", media_type=media_type, n_bytes=path.stat().st_size))
    if path.stat().st_size > max_bytes_of(head, settings):
        raise TooLarge("the file is too large", details={"max_bytes": max_bytes_of(head, settings)})
    if kind is None and declared not in {"", "text/plain", "application/octet-stream"}:
        raise UnsupportedMediaType("the bytes are not of a kind that is taken", code="unknown_kind")
    with _decoders:
        data = path.read_bytes()
        if kind == "image":
            return _check_image(data, settings)
        if kind == "audio":
            media_type, seconds = check_sound(data, settings.max_audio_seconds)
            row = Artifact(kind="audio", media_type=media_type, n_bytes=len(data), duration_s=seconds)
            return Checked(row, data)
        return _check_text(data)


def require_artifact(soi: Services, me: Principal, sha256: str) -> Artifact:
    """The row of a stored file; model files are for those who may register versions."""
    with soi.database.read() as session:
        row = artifacts.get_artifact(session, sha256)
    if row is None:
        raise NotFound("there is no such file", details={"sha256": sha256[:64]})
    if row.kind == "model" and not me.may("models:write"):
        raise NotAllowed("model files are for people who may register versions")
    return row


def _check_image(data: bytes, settings: Settings) -> Checked:
    image = check_image(data, settings.max_image_pixels)
    row = Artifact(
        kind="image",
        media_type=image.media_type,
        n_bytes=len(image.data),
        width=image.width,
        height=image.height,
        has_thumbnail=True,
    )
    return Checked(row, image.data, image.thumbnail)


def _check_text(data: bytes) -> Checked:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise UnsupportedMediaType("neither a known kind of file nor UTF-8 text", code="unknown_kind") from None
    if text.lstrip("\ufeff \t\r\n").lower().startswith(_MARKUP):
        raise UnsupportedMediaType("SVG, XML and HTML are not taken", code="markup")
    if any(ord(char) < 32 and char not in "\t\n\r\f" for char in text):
        raise Invalid("the text contains control characters", code="broken_file")
    return Checked(Artifact(kind="text", media_type="text/plain; charset=utf-8", n_bytes=len(data)), data)

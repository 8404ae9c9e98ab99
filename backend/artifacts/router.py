"""Files over HTTP: upload, download, thumbnail, and what is known about one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Request, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from backend.artifacts.receive import received_file
from backend.artifacts.schemas import ArtifactRead, Uploaded
from backend.artifacts.service import require_artifact, store_file
from backend.deps import Me, Soi, guarded_router
from backend.errors import NotFound

router = guarded_router("/v1/artifacts", "artifacts:read")
#: Uploading does not need reading: a camera's key may only send.
uploads = guarded_router("/v1/artifacts", "artifacts:write")

#: The name is the hash of the bytes, so what a browser has is right for ever.
_CACHE = "private, max-age=31536000, immutable"
_POLICY = "default-src 'none'; sandbox"


@uploads.post("", status_code=201)
async def post_artifact(request: Request, response: Response, soi: Soi, me: Me) -> Uploaded:
    """Store an image (PNG, JPEG, WebP, BMP), sound (WAV, FLAC, OGG), UTF-8 text or model file (TorchScript, .pt2).

    Send the bytes as the body, or as the field "file" of a form. The kind is read from the bytes. Metadata such as
    EXIF is taken out of images without changing a pixel; only an image that EXIF says to turn is written anew,
    turned (JPEG at quality 95, others without loss). The answer names the stored bytes; the same bytes again: 200.
    """
    async with received_file(request, soi.settings) as file:
        # Not the request's session: a write transaction must not wait for a slow sender or a decoder.
        found = await run_in_threadpool(store_file, soi, me, file.path, file.declared)
    response.status_code = 201 if found.is_new else 200
    return found


@router.get("/{sha256}", response_class=Response)
def get_artifact(
    sha256: str, soi: Soi, me: Me, if_none_match: Annotated[str | None, Header(max_length=1000)] = None
) -> Response:
    """The bytes."""
    row = require_artifact(soi, me, sha256)
    headers = _headers(sha256, "attachment" if row.kind == "model" else "inline")
    if if_none_match and headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    try:
        return FileResponse(soi.artifacts.path(sha256), media_type=row.media_type, headers=headers)
    except FileNotFoundError:
        raise NotFound("the bytes of this file are gone", code="bytes_gone") from None


@router.get("/{sha256}/thumbnail", response_class=Response)
def get_thumbnail(sha256: str, soi: Soi, me: Me) -> Response:
    """A WebP of at most 256 x 256 pixels; 404 for files without a picture."""
    row = require_artifact(soi, me, sha256)
    if not row.has_thumbnail:
        raise NotFound("this file has no thumbnail", code="no_thumbnail")
    try:
        data = soi.artifacts.get_thumbnail(sha256)
    except FileNotFoundError:
        raise NotFound("the bytes of this file are gone", code="bytes_gone") from None
    return Response(data, media_type="image/webp", headers=_headers(f"{sha256}-thumbnail", "inline"))


@router.get("/{sha256}/meta")
def get_meta(sha256: str, soi: Soi, me: Me) -> ArtifactRead:
    """What is known about a file."""
    return ArtifactRead.model_validate(require_artifact(soi, me, sha256))


def _headers(tag: str, disposition: str) -> dict[str, str]:
    return {
        "Cache-Control": _CACHE,
        "ETag": f'"{tag}"',
        "Content-Disposition": disposition,
        "Content-Security-Policy": _POLICY,
    }

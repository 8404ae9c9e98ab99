"""The calling side of stored files."""

from __future__ import annotations

from pathlib import Path

from backend.artifacts.schemas import ArtifactRead, Uploaded
from backend.transport import Transport


class ArtifactsClient:
    """`client.artifacts`: send and fetch images, sounds, texts and model files."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def upload(self, data: bytes | Path, media_type: str = "application/octet-stream") -> Uploaded:
        """Store bytes, or the file at a path; its `sha256` goes into events and versions."""
        content = data.read_bytes() if isinstance(data, Path) else data
        headers = {"Content-Type": media_type}
        answer = self._transport.request("POST", "/v1/artifacts", content=content, headers=headers)
        return Uploaded.model_validate_json(answer.content)

    def download(self, sha256: str) -> bytes:
        return self._transport.request("GET", f"/v1/artifacts/{sha256}").content

    def thumbnail(self, sha256: str) -> bytes:
        """A WebP of at most 256 x 256 pixels."""
        return self._transport.request("GET", f"/v1/artifacts/{sha256}/thumbnail").content

    def meta(self, sha256: str) -> ArtifactRead:
        return self._transport.get(f"/v1/artifacts/{sha256}/meta", ArtifactRead)

"""The calling side of model versions."""

from __future__ import annotations

from typing import Any

from backend.model_versions.schemas import VersionCreate, VersionPatch, VersionRead
from backend.transport import Transport


class ModelVersionsClient:
    """`client.model_versions`: register, read and annotate versions of a model."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, model: str, *, limit: int = 100, offset: int = 0) -> list[VersionRead]:
        return self._transport.get_list(f"/v1/models/{model}/versions", VersionRead, limit=limit, offset=offset)

    def get(self, model: str, version: str) -> VersionRead:
        return self._transport.get(f"/v1/models/{model}/versions/{version}", VersionRead)

    def create(self, model: str, wish: VersionCreate | None = None, **fields: Any) -> VersionRead:
        """Register a version: `create("pcb", name="v2", kind="torchscript", artifact_sha256=...)`."""
        body = wish or VersionCreate(**fields)
        return self._transport.send("POST", f"/v1/models/{model}/versions", VersionRead, body)

    def change(self, model: str, version: str, patch: VersionPatch | None = None, **fields: Any) -> VersionRead:
        body = patch or VersionPatch(**fields)
        return self._transport.send("PATCH", f"/v1/models/{model}/versions/{version}", VersionRead, body)

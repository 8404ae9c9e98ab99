"""The calling side of models."""

from __future__ import annotations

from typing import Any

from backend.models.schemas import ModelCreate, ModelPatch, ModelRead
from backend.transport import Transport


class ModelsClient:
    """`client.models`: register, read and change models."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int = 100, offset: int = 0) -> list[ModelRead]:
        return self._transport.get_list("/v1/models", ModelRead, limit=limit, offset=offset)

    def get(self, model: str) -> ModelRead:
        return self._transport.get(f"/v1/models/{model}", ModelRead)

    def create(self, wish: ModelCreate | None = None, **fields: Any) -> ModelRead:
        """Register a model, from a ModelCreate or its fields: `create(name="pcb", item_kind="image", ...)`."""
        return self._transport.send("POST", "/v1/models", ModelRead, wish or ModelCreate(**fields))

    def change(self, model: str, patch: ModelPatch | None = None, **fields: Any) -> ModelRead:
        """Change a model; only the fields that are set are sent."""
        return self._transport.send("PATCH", f"/v1/models/{model}", ModelRead, patch or ModelPatch(**fields))

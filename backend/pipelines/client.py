"""The calling side of pipelines."""

from __future__ import annotations

from typing import Any

from backend.pipelines.schemas import PipelineCreate, PipelinePatch, PipelineRead
from backend.transport import Transport


class PipelinesClient:
    """`client.pipelines`: register and read pipelines, their traces, their steps' health, and which step to blame."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int = 100, offset: int = 0) -> list[PipelineRead]:
        return self._transport.get_list("/v1/pipelines", PipelineRead, limit=limit, offset=offset)

    def get(self, pipeline: str) -> PipelineRead:
        return self._transport.get(f"/v1/pipelines/{pipeline}", PipelineRead)

    def create(self, wish: PipelineCreate | None = None, **fields: Any) -> PipelineRead:
        """Register: `create(name="speech", steps=[{"name": "vad", "model": "speech-vad"}, ...])`."""
        return self._transport.send("POST", "/v1/pipelines", PipelineRead, wish or PipelineCreate(**fields))

    def change(self, pipeline: str, patch: PipelinePatch | None = None, **fields: Any) -> PipelineRead:
        """Change a pipeline; only the fields that are set are sent."""
        body = patch or PipelinePatch(**fields)
        return self._transport.send("PATCH", f"/v1/pipelines/{pipeline}", PipelineRead, body)

    def delete(self, pipeline: str) -> None:
        """Forget a pipeline; the predictions of its steps stay."""
        self._transport.request("DELETE", f"/v1/pipelines/{pipeline}")

"""Calling side of retraining runs."""

from __future__ import annotations

from typing import Any

from backend.retraining.schemas import RetrainingCreate, RetrainingRunInfo
from backend.transport import Transport

Runs = list[RetrainingRunInfo]


class RetrainingClient:
    """`client.retraining`: dataset in, model version out."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, wish: RetrainingCreate | None = None, **fields: Any) -> RetrainingRunInfo:
        """Queue a run: `create(dataset_id=..., parent_version="v1", epochs=8)`; wait with `client.jobs.wait`."""
        body = wish or RetrainingCreate(**fields)
        return self._transport.send("POST", "/v1/retraining-runs", RetrainingRunInfo, body)

    def list(self, model: str, *, before_id: str | None = None, limit: int = 50) -> Runs:
        """Runs of a model, newest first."""
        path = "/v1/retraining-runs"
        return self._transport.get_list(path, RetrainingRunInfo, model=model, before_id=before_id, limit=limit)

    def get(self, run_id: str) -> RetrainingRunInfo:
        return self._transport.get(f"/v1/retraining-runs/{run_id}", RetrainingRunInfo)

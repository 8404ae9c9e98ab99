"""Calling side of datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backend.datasets.schemas import DatasetCreate, DatasetFormat, DatasetInfo
from backend.jobs.schemas import JobInfo
from backend.transport import Transport

Datasets = list[DatasetInfo]


class DatasetsClient:
    """`client.datasets`: immutable snapshots of labelled data."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, wish: DatasetCreate | None = None, **fields: Any) -> JobInfo:
        """Queue a snapshot: `create(model="pcb", name="week-12")`. The job's result holds `dataset_id`."""
        return self._transport.send("POST", "/v1/datasets", JobInfo, wish or DatasetCreate(**fields))

    def list(self, model: str, *, before_id: str | None = None, limit: int = 100) -> Datasets:
        """Snapshots of a model, newest first."""
        return self._transport.get_list("/v1/datasets", DatasetInfo, model=model, before_id=before_id, limit=limit)

    def get(self, dataset_id: str) -> DatasetInfo:
        return self._transport.get(f"/v1/datasets/{dataset_id}", DatasetInfo)

    def download(self, dataset_id: str, to: Path, *, format: DatasetFormat = "jsonl") -> int:
        """Stream the rows into a file; returns its bytes."""
        return self._transport.download(f"/v1/datasets/{dataset_id}/download", to, params={"format": format})

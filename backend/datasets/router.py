"""POST, list, read and download dataset snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import fsspec
from fastapi import Depends, Query
from fastapi.responses import StreamingResponse

from backend.datasets import service
from backend.datasets.schemas import DatasetCreate, DatasetFormat, DatasetInfo
from backend.deps import Me, Reader, Soi, Writer, allow, guarded_router
from backend.errors import NotFound
from backend.jobs.schemas import JobInfo
from backend.jobs.service import read_jobs
from backend.labelled_data.rules import MEDIA_TYPES
from backend.models.service import require_model
from db.repositories import audit, datasets

router = guarded_router("/v1/datasets", "datasets:read")
_CHUNK_BYTES = 2**20


@router.post("", response_model=JobInfo, status_code=202, dependencies=[Depends(allow("datasets:write"))])
def create_dataset(wish: DatasetCreate, me: Me, session: Writer) -> Any:
    """Queue the build of a snapshot; watch the job, whose `result` names the dataset."""
    job = service.request_dataset(session, me, require_model(session, me, wish.model), wish)
    return read_jobs(session, [job])[0]


@router.get("", response_model=list[DatasetInfo])
def list_datasets(
    model: Annotated[str, Query(min_length=1, max_length=100)],
    me: Me,
    session: Reader,
    before_id: Annotated[str | None, Query(max_length=36, pattern="^[0-9a-f-]*$")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Any:
    """Snapshots of a model, newest first."""
    found = require_model(session, me, model)
    rows = datasets.list_datasets(session, found.id, before_id=before_id or None, limit=limit)
    return [service.read_dataset(row, found) for row in rows]


@router.get("/{dataset_id}", response_model=DatasetInfo)
def get_dataset(dataset_id: str, me: Me, session: Reader) -> Any:
    """One snapshot with its manifest."""
    return service.read_dataset(*service.require_dataset(session, me, dataset_id))


@router.get("/{dataset_id}/download", response_class=StreamingResponse)
def download(dataset_id: str, me: Me, soi: Soi, format: DatasetFormat = "jsonl") -> StreamingResponse:
    """The snapshot's rows, byte for byte as the manifest's SHA-256 says."""
    with soi.database.write() as session:
        dataset, model = service.require_dataset(session, me, dataset_id)
        details = {"format": format, "dataset": dataset.id}
        audit.record(session, me.actor, "dataset.downloaded", f"model:{model.name}", details)
        path, name = f"{dataset.path}/data.{format}", dataset.name
    fs, key = fsspec.core.url_to_fs(path)
    if not fs.exists(key):
        raise NotFound("the files of this dataset are gone", code="files_gone", details={"dataset": dataset_id})

    def pieces() -> Iterator[bytes]:
        with fs.open(key, "rb") as file:
            while piece := file.read(_CHUNK_BYTES):
                yield piece

    headers = {"Content-Disposition": f'attachment; filename="{name}.{format}"', "Cache-Control": "no-store"}
    return StreamingResponse(pieces(), media_type=MEDIA_TYPES[format], headers=headers)

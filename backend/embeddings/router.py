"""/v1/embeddings: vectors in, what there is, drift on them, and runs that make them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query, Response

from backend.deps import Me, Reader, Soi, Writer, allow, guarded_router
from backend.embeddings import service
from backend.embeddings.schemas import EmbeddingDrift, EncoderOut, RunBody, RunOut, VectorsBody, VectorsStored
from backend.jobs.service import read_jobs
from backend.models.service import require_model
from backend.shapes import Moment

router = guarded_router("/v1/embeddings", "aggregates:read")
#: A line's key may send vectors without being allowed to read anything.
uploads = guarded_router("/v1/embeddings", "events:write")

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@uploads.post("", status_code=201)
def store_vectors(body: VectorsBody, soi: Soi, me: Me, response: Response) -> VectorsStored:
    """Store up to 1,000 vectors of predictions or files; 207 when some were refused."""
    with soi.database.read() as session:
        model = require_model(session, me, body.model)
    stored = service.store(soi.database, soi.eventlog, model, body.encoder, body.items)
    if stored.n_refused:
        response.status_code = 207
    return stored


@router.get("")
def get_encoders(
    session: Reader, me: Me, model: Annotated[str, Query(min_length=1, max_length=100)]
) -> list[EncoderOut]:
    """The encoders that a model has vectors of."""
    return service.list_encoders(session, require_model(session, me, model))


@router.get("/drift")
def get_drift(
    me: Me,
    soi: Soi,
    model: Annotated[str, Query(min_length=1, max_length=100)],
    start: Moment,
    end: Moment,
    encoder: Annotated[str | None, Query(max_length=100)] = None,
    version: Annotated[str | None, Query(max_length=100)] = None,
    reference_start: Moment | None = None,
    reference_end: Moment | None = None,
    alpha: Annotated[float, Query(gt=0, le=0.5)] = 0.01,
) -> EmbeddingDrift:
    """Two tests of the window's vectors against the reference's, the course over time, and items that show the change.

    The reference is by default the equally long time before the window.
    """
    with soi.database.read() as session:
        found = require_model(session, me, model)
    is_given = reference_start is not None or reference_end is not None
    reference = (reference_start or _BEGINNING, reference_end or start) if is_given else None
    return service.measure_drift(
        soi.database, found, (start, end), reference, encoder=encoder, version=version, alpha=alpha
    )


@router.post("/runs", status_code=202, dependencies=[Depends(allow("runs:write"))])
def create_run(body: RunBody, me: Me, session: Writer) -> RunOut:
    """Queue a job that encodes items without a vector with our own encoder."""
    model = require_model(session, me, body.model)
    job = service.request_run(session, me, model, days=body.days, per_day=body.per_day)
    return RunOut(job=read_jobs(session, [job])[0].model_dump(mode="json"))

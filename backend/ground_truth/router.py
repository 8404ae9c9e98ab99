"""/v1/ground-truth: late labels and corrections in, resolved labels out."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Response
from sqlalchemy.exc import IntegrityError

from backend.deps import Me, Reader, Soi, allow, guarded_router
from backend.errors import Conflict
from backend.ground_truth import service
from backend.ground_truth.schemas import TruthOut, TruthsBody, TruthsStored
from backend.models.service import require_model
from backend.shapes import Moment
from db.base import utc_now
from db.repositories import ground_truth

router = guarded_router("/v1/ground-truth", "labels:read")


@router.post("", status_code=201, dependencies=[Depends(allow("labels:write"))])
def store_truths(body: TruthsBody, soi: Soi, me: Me, response: Response) -> TruthsStored:
    """Put up to 1,000 labels in force; 207 when some were refused."""
    try:
        with soi.database.write() as session:
            model = require_model(session, me, body.model)
            stored = service.store(session, me, model, body.truths, now=utc_now())
    except IntegrityError as error:
        raise Conflict("these labels are being changed by another request; send them again") from error
    if stored.n_stored < len(stored.results):
        response.status_code = 207 if stored.n_refused else 200
    return stored


@router.get("")
def list_truths(
    session: Reader,
    me: Me,
    model: str,
    subject_id: str | None = None,
    method: str | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    history: bool = False,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> list[TruthOut]:
    """Labels in force, with `history` the replaced ones too; `after` is the last id of the page before."""
    found = require_model(session, me, model)
    rows = ground_truth.list_truths(
        session,
        found.id,
        subject_id=subject_id,
        method=method,
        start=start,
        end=end,
        with_history=history,
        after_id=after,
        limit=limit,
    )
    return [TruthOut.model_validate(row) for row in rows]

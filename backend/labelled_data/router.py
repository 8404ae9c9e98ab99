"""GET /v1/labelled-data: list, counts, export and the export's manifest; and what was skipped instead of labelled."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query
from fastapi.responses import StreamingResponse

from backend.deps import Me, Reader, Soi, guarded_router
from backend.errors import Invalid
from backend.labelled_data import service
from backend.labelled_data.rules import MEDIA_TYPES
from backend.labelled_data.schemas import ExportFormat, ExportManifest, LabelCounts, LabelledPage, Skipped
from backend.models.service import require_model
from backend.shapes import Moment, check_storable
from db.repositories import audit
from db.repositories.labelled_data import LabelFilter, count_labels, list_labelled
from db.repositories.skips import SkipFilter, count_skips, newest_skips
from review.rules.skips import SkipReason

router = guarded_router("/v1/labelled-data", "labels:read")

ModelName = Annotated[str, Query(min_length=1, max_length=100, description="model whose labels are wanted")]


def label_filter(
    start: Annotated[Moment | None, Query(description="resolved at or after")] = None,
    end: Annotated[Moment | None, Query(description="resolved before")] = None,
    label: Annotated[list[str] | None, Query(max_length=100, description="only these labels")] = None,
    method: Annotated[list[str] | None, Query(max_length=20, description="only labels made this way")] = None,
    segment: Annotated[list[str] | None, Query(max_length=20, description="key:value, all of them")] = None,
    disagreement_only: Annotated[bool, Query(description="only where the champion answered otherwise")] = False,
    has_artifact: Annotated[bool | None, Query(description="only with (or without) a stored file")] = None,
) -> LabelFilter:
    """The filter that every route here takes."""
    try:
        check_storable([label, method, segment])
    except ValueError as error:
        raise Invalid(f"the filter cannot be used: {error}") from None
    pairs = [tuple(item.split(":", 1)) for item in segment or []]
    if any(len(pair) != 2 or not pair[0] for pair in pairs):
        raise Invalid("a segment is written key:value", code="bad_segment")
    return LabelFilter(
        start=start,
        end=end,
        labels=tuple(label or ()),
        methods=tuple(method or ()),
        segments=tuple((pair[0], pair[1]) for pair in pairs),
        disagreement_only=disagreement_only,
        has_artifact=has_artifact,
    )


Wanted = Annotated[LabelFilter, Depends(label_filter)]


@router.get("", response_model=LabelledPage)
def list_labels(
    model: ModelName,
    wanted: Wanted,
    me: Me,
    session: Reader,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=300)] = None,
) -> Any:
    """Resolved labels in the order they were resolved."""
    found = require_model(session, me, model)
    after = service.decode_cursor(cursor) if cursor else None
    rows = list_labelled(session, found.id, wanted, after=after, limit=limit)
    return {"items": rows, "next_cursor": service.encode_cursor(rows[-1]) if len(rows) == limit else None}


@router.get("/counts", response_model=LabelCounts)
def count(model: ModelName, wanted: Wanted, me: Me, session: Reader) -> Any:
    """How many labels the filter selects, by label."""
    labels = count_labels(session, require_model(session, me, model).id, wanted)
    return {"n_items": sum(labels.values()), "labels": labels}


@router.get("/manifest", response_model=ExportManifest)
def manifest(model: ModelName, wanted: Wanted, me: Me, soi: Soi, format: ExportFormat = "jsonl") -> Any:
    """What the export with these filters holds, with the SHA-256 of its bytes."""
    with soi.database.read() as session:
        model_id = require_model(session, me, model).id
    return service.describe_export(soi.database, model, model_id, wanted, format)


@router.get("/export", response_class=StreamingResponse)
def export(model: ModelName, wanted: Wanted, me: Me, soi: Soi, format: ExportFormat = "jsonl") -> StreamingResponse:
    """All selected labels as a file, streamed in constant memory."""
    with soi.database.write() as session:
        model_id = require_model(session, me, model).id
        details = {"format": format, "filters": wanted.as_json()}
        audit.record(session, me.actor, "labels.exported", model, details)
    return StreamingResponse(
        service.export(soi.database, model_id, wanted, format),
        media_type=MEDIA_TYPES[format],
        headers={"Content-Disposition": f'attachment; filename="labels.{format}"', "Cache-Control": "no-store"},
    )


def skip_filter(
    start: Annotated[Moment | None, Query(description="skipped at or after")] = None,
    end: Annotated[Moment | None, Query(description="skipped before")] = None,
    reason: Annotated[list[SkipReason] | None, Query(max_length=10, description="only for these reasons")] = None,
) -> SkipFilter:
    """The filter that both routes of skipped items take."""
    return SkipFilter(start, end, tuple(reason or ()))


SkipsWanted = Annotated[SkipFilter, Depends(skip_filter)]


@router.get("/skipped", response_model=Skipped)
def skipped(
    model: ModelName, wanted: SkipsWanted, me: Me, session: Reader, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> Any:
    """Items that people skipped, by reason, with the newest of them."""
    found = require_model(session, me, model)
    reasons = count_skips(session, found.id, wanted)
    items = newest_skips(session, found.id, wanted, limit)
    return {"n_items": sum(reasons.values()), "reasons": reasons, "items": items}


@router.get("/skipped/export", response_class=StreamingResponse)
def export_skipped(
    model: ModelName, wanted: SkipsWanted, me: Me, soi: Soi, format: ExportFormat = "jsonl"
) -> StreamingResponse:
    """All selected skips as a file with reason and comment apart, streamed in constant memory."""
    with soi.database.write() as session:
        model_id = require_model(session, me, model).id
        audit.record(session, me.actor, "skips.exported", model, {"format": format, "filters": wanted.as_json()})
    return StreamingResponse(
        service.export_skips(soi.database, model_id, wanted, format),
        media_type=MEDIA_TYPES[format],
        headers={"Content-Disposition": f'attachment; filename="skipped.{format}"', "Cache-Control": "no-store"},
    )

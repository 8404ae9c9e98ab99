"""Reports over HTTP: ask for one, list, read its file, delete it; and the schedules that make them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.auth.schemas import Language
from backend.deps import Me, Reader, Writer, allow, guarded_router
from backend.errors import Invalid
from backend.models.service import require_model
from backend.reports import schedules, service
from backend.reports.schemas import Activity, ReportCreate, ReportInfo, ScheduleCreate, ScheduleInfo, SchedulePatch
from backend.shapes import Moment
from db.base import utc_now
from db.repositories import models, reports

#: A report holds nothing that its reader could not see on the screens, so whoever may read numbers may ask for one.
router = guarded_router("/v1/reports", "aggregates:read")
schedule_router = guarded_router("/v1/report-schedules", "aggregates:read")

_MAY_WRITE = [Depends(allow("reports:write"))]
_ModelName = Annotated[str | None, Query(min_length=1, max_length=100)]
_CHUNK_BYTES = 2**16
#: Even opened in the browser a report runs no script, asks for nothing, and knows nothing of our origin.
_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"


@router.post("", response_model=ReportInfo, status_code=202)
def create_report(wish: ReportCreate, me: Me, session: Writer) -> Any:
    """Queue a report; its `state` and `progress` tell how far it is."""
    now = utc_now()
    found = service.request_report(session, me, require_model(session, me, wish.model), wish, now)
    return service.read_reports(session, [found], now)[0]


@router.get("", response_model=list[ReportInfo])
def list_reports(
    me: Me,
    session: Reader,
    model: _ModelName = None,
    before_id: Annotated[str | None, Query(max_length=36, pattern="^[0-9a-f-]*$")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Any:
    """Reports, newest first; of one model, or of all that the caller may see."""
    found = reports.list_reports(session, _model_ids(session, me, model), before_id=before_id or None, limit=limit)
    return service.read_reports(session, found, utc_now())


@router.get("/activity", response_model=Activity)
def get_activity(
    model: Annotated[str, Query(min_length=1, max_length=100)], start: Moment, end: Moment, me: Me, session: Reader
) -> Any:
    """What people did for a model in a window and in the one before: counts of labels, disputes, queue, datasets."""
    if end <= start or (end - start).days > 366:
        raise Invalid("the range ends before it begins, or is longer than a year")
    return service.count_activity(session, require_model(session, me, model), start, end)


@router.get("/{report_id}", response_model=ReportInfo)
def get_report(report_id: str, me: Me, session: Reader) -> Any:
    """One report with how far it is."""
    report, _ = service.require_report(session, me, report_id)
    return service.read_reports(session, [report], utc_now())[0]


@router.get("/{report_id}/file", response_class=StreamingResponse)
def get_file(
    report_id: str,
    me: Me,
    session: Reader,
    language: Language = "en",
    disposition: Literal["attachment", "inline"] = "attachment",
) -> StreamingResponse:
    """The report as one HTML file that needs nothing else; `inline` opens it in the browser."""
    file, report, model = service.require_file(session, me, report_id, language)
    name = f"{model.name}-{report.window_end:%Y-%m-%d}-{file.language}.html"
    headers = {
        "Content-Disposition": f'{disposition}; filename="{name}"',
        "Content-Security-Policy": _POLICY,
        "Content-Length": str(file.n_bytes),
        "Cache-Control": "private, no-store",
    }
    return StreamingResponse(_plain(file.html_gzip), media_type="text/html; charset=utf-8", headers=headers)


def _plain(packed: bytes) -> Iterator[bytes]:
    opened = zlib.decompressobj(wbits=31)
    for first in range(0, len(packed), _CHUNK_BYTES):
        piece = opened.decompress(packed[first : first + _CHUNK_BYTES])
        if piece:
            yield piece
    yield opened.flush()


@router.delete("/{report_id}", status_code=204, response_class=Response, dependencies=_MAY_WRITE)
def delete_report(report_id: str, me: Me, session: Writer) -> Response:
    """Delete a report with its files; one that is still being made is ended."""
    report, model = service.require_report(session, me, report_id)
    service.delete_report(session, me, report, model, utc_now())
    return Response(status_code=204)


@schedule_router.post("", response_model=ScheduleInfo, status_code=201, dependencies=_MAY_WRITE)
def create_schedule(wish: ScheduleCreate, me: Me, session: Writer) -> Any:
    """A report every week, beginning with the next such moment."""
    model = require_model(session, me, wish.model)
    return schedules.read_schedule(schedules.add_schedule(session, me, model, wish, utc_now()), model)


@schedule_router.get("", response_model=list[ScheduleInfo])
def list_schedules(me: Me, session: Reader, model: _ModelName = None) -> Any:
    """Schedules of one model, or of all that the caller may see."""
    found = reports.list_schedules(session, _model_ids(session, me, model))
    known = {row.model_id: models.get_model(session, row.model_id) for row in found}
    return [schedules.read_schedule(row, owner) for row in found if (owner := known[row.model_id]) is not None]


@schedule_router.patch("/{schedule_id}", response_model=ScheduleInfo, dependencies=_MAY_WRITE)
def change_schedule(schedule_id: str, patch: SchedulePatch, me: Me, session: Writer) -> Any:
    """Change or pause a schedule; what was due before is not made up for."""
    schedule, model = schedules.require_schedule(session, me, schedule_id)
    return schedules.read_schedule(schedules.change_schedule(session, me, schedule, model, patch, utc_now()), model)


@schedule_router.delete("/{schedule_id}", status_code=204, response_class=Response, dependencies=_MAY_WRITE)
def delete_schedule(schedule_id: str, me: Me, session: Writer) -> Response:
    """Delete a schedule; its reports stay."""
    schedules.delete_schedule(session, me, *schedules.require_schedule(session, me, schedule_id))
    return Response(status_code=204)


def _model_ids(session: Session, me: Principal, model: str | None) -> list[str]:
    if model is not None:
        return [require_model(session, me, model).id]
    return [found.id for found in models.list_models(session, names=me.models, limit=1000)]

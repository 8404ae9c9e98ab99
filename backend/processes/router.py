"""/v1/processes: which processes there are, what they use, and how that went over time."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Query

from backend.deps import Reader, Soi, allow, guarded_router
from backend.errors import Invalid, NotFound
from backend.monitors.service import lines_of, open_window
from backend.processes.schemas import ProcessOut, ProcessSeries, SampleIn
from backend.shapes import Moment
from db.analytics import catalog
from db.analytics.measure import ProcessMeasure
from db.analytics.process_series import process_lines
from db.base import utc_now
from db.models.signal import ProcessSample
from db.repositories import process_samples

router = guarded_router("/v1/processes", "aggregates:read")

#: Three samples missed: the process is gone or stuck.
_SILENT = timedelta(seconds=90)


@router.get("")
def list_processes(session: Reader, hours: Annotated[float, Query(gt=0, le=720)] = 1) -> list[ProcessOut]:
    """The newest sample of every process that was heard of in the last hours."""
    now = utc_now()
    rows = process_samples.newest_samples(session, now - timedelta(hours=hours))
    alive = [now - row.sampled_at < _SILENT for row in rows]
    return [
        ProcessOut.model_validate(row).model_copy(update={"is_alive": is_alive})
        for row, is_alive in zip(rows, alive, strict=True)
    ]


@router.get("/series")
def get_series(
    soi: Soi,
    measure: Annotated[str, Query(max_length=100)],
    start: Moment,
    end: Moment,
    grain_s: Annotated[int | None, Query(ge=300)] = None,
) -> ProcessSeries:
    """A measure of processes over time, one line per process."""
    found = catalog.BY_NAME.get(measure)
    if not isinstance(found, ProcessMeasure):
        raise NotFound("there is no such measure of processes", details={"measure": measure})
    window = open_window(start, end, grain_s)
    return ProcessSeries(
        measure=found.name,
        unit=found.unit,
        bad=found.bad,
        chart=found.chart,
        grain_s=window.grain_s,
        start=window.start,
        end=window.end,
        bucket_at=window.bucket_starts,
        lines=lines_of(process_lines(soi.database, found, window)),
    )


@router.post("/samples", status_code=201, dependencies=[Depends(allow("events:write"))])
def post_sample(body: SampleIn, soi: Soi) -> None:
    """What the screens use when they run as a service of their own."""
    if abs(body.sampled_at - utc_now()) > timedelta(minutes=5):
        raise Invalid("a sample is of now; are the clocks alike?", details={"pointer": "/sampled_at"})
    with soi.database.write() as session:
        process_samples.add_sample(session, ProcessSample(**body.model_dump()))

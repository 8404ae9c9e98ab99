"""What a pipeline did, over HTTP: its steps' health and measures, its traces, and where changes come from."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from backend.auth.rules import Principal
from backend.deps import Me, Soi, allow, guarded_router
from backend.errors import Invalid
from backend.pipelines import blaming, health, reading
from backend.pipelines.service import require_chain
from backend.pipelines.trace_schemas import BlameReport, Pick, PipelineHealth, StepSeries, TracePage, Waterfall
from backend.services import Services
from backend.shapes import Moment
from db.base import utc_now
from db.repositories.pipelines import Chain

router = guarded_router("/v1/pipelines", "aggregates:read")
_sees_rows = [Depends(allow("events:read"))]
_Step = Annotated[str | None, Query(max_length=100)]


def _find(soi: Services, me: Principal, name: str) -> Chain:
    """The pipeline, read in a session of its own: what follows may take a second."""
    with soi.database.read() as session:
        return require_chain(session, me, name)


def _reference(
    start: Moment, end: Moment, reference_start: Moment | None, reference_end: Moment | None
) -> tuple[Moment, Moment]:
    """The reference window; the equally long one just before unless it is given."""
    if end <= start:
        raise Invalid("the range ends before it begins")
    if reference_start is None and reference_end is None:
        try:
            return start - (end - start), start
        except OverflowError as error:
            raise Invalid("there is no time before this range") from error
    if reference_start is None or reference_end is None:
        raise Invalid("give both ends of the reference, or none")
    return reference_start, reference_end


@router.get("/{pipeline}/health")
def get_health(
    pipeline: str,
    me: Me,
    soi: Soi,
    start: Moment,
    end: Moment,
    reference_start: Moment | None = None,
    reference_end: Moment | None = None,
) -> PipelineHealth:
    """Every step now against a reference window (default: the period before)."""
    chain = _find(soi, me, pipeline)
    reference = _reference(start, end, reference_start, reference_end)
    return health.look_at_steps(soi.eventlog, chain, health.open_window(start, end), health.open_window(*reference))


@router.get("/{pipeline}/series")
def get_step_series(
    pipeline: str,
    me: Me,
    soi: Soi,
    measure: str,
    start: Moment,
    end: Moment,
    grain_s: Annotated[int | None, Query(ge=300)] = None,
) -> StepSeries:
    """A measure over time with one line per step."""
    chain = _find(soi, me, pipeline)
    return health.draw(soi.eventlog, chain, measure, health.open_window(start, end, grain_s), utc_now())


@router.get("/{pipeline}/blame")
def get_blame(
    pipeline: str,
    me: Me,
    soi: Soi,
    start: Moment,
    end: Moment,
    reference_start: Moment | None = None,
    reference_end: Moment | None = None,
) -> BlameReport:
    """Which step each change of the end result comes from, against a reference window (default: the period before)."""
    chain = _find(soi, me, pipeline)
    reference = _reference(start, end, reference_start, reference_end)
    return blaming.find_blame(soi.eventlog, soi.answers.opinions, chain, (start, end), reference)


@router.get("/{pipeline}/traces", dependencies=_sees_rows)
def list_traces(
    pipeline: str,
    me: Me,
    soi: Soi,
    start: Moment,
    end: Moment,
    pick: Pick = "newest",
    step: _Step = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> TracePage:
    """Traces of a time window: newest, slowest, failed, without answer, or cut short; at one step if wanted."""
    return reading.list_traces(soi.eventlog, _find(soi, me, pipeline), start, end, pick=pick, step=step, limit=limit)


@router.get("/{pipeline}/traces/{trace_id}", dependencies=_sees_rows)
def get_trace(pipeline: str, trace_id: str, me: Me, soi: Soi, start: Moment, end: Moment) -> Waterfall:
    """One trace with its spans, looked for in a time window of at most 31 days."""
    return reading.find_trace(soi.eventlog, _find(soi, me, pipeline), trace_id, start, end)

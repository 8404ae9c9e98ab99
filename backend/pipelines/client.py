"""The calling side of pipelines."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from backend.pipelines.schemas import PipelineCreate, PipelinePatch, PipelineRead
from backend.pipelines.trace_schemas import BlameReport, Pick, PipelineHealth, StepSeries, TracePage, Waterfall
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

    def health(
        self, pipeline: str, start: datetime, end: datetime, *, reference: tuple[datetime, datetime] | None = None
    ) -> PipelineHealth:
        """Every step's figures now against a reference window (default: the period before)."""
        path = f"/v1/pipelines/{pipeline}/health"
        return self._transport.get(path, PipelineHealth, **_windows(start, end, reference))

    def series(
        self, pipeline: str, measure: str, start: datetime, end: datetime, *, grain_s: int | None = None
    ) -> StepSeries:
        """A measure over time with one line per step."""
        path = f"/v1/pipelines/{pipeline}/series"
        return self._transport.get(path, StepSeries, measure=measure, grain_s=grain_s, **_windows(start, end))

    def blame(
        self, pipeline: str, start: datetime, end: datetime, *, reference: tuple[datetime, datetime] | None = None
    ) -> BlameReport:
        """Which step each change of the end result comes from."""
        path = f"/v1/pipelines/{pipeline}/blame"
        return self._transport.get(path, BlameReport, **_windows(start, end, reference))

    def traces(
        self,
        pipeline: str,
        start: datetime,
        end: datetime,
        *,
        pick: Pick = "newest",
        step: str | None = None,
        limit: int = 50,
    ) -> TracePage:
        """Traces of a window; continue a listing of the newest with `end=page.before`."""
        path = f"/v1/pipelines/{pipeline}/traces"
        return self._transport.get(path, TracePage, pick=pick, step=step, limit=limit, **_windows(start, end))

    def trace(self, pipeline: str, trace_id: str, start: datetime, end: datetime) -> Waterfall:
        """One trace with its spans; ApiError 404 where the window holds none of them."""
        path = f"/v1/pipelines/{pipeline}/traces/{quote(trace_id, safe='')}"
        return self._transport.get(path, Waterfall, **_windows(start, end))


def _windows(start: datetime, end: datetime, reference: tuple[datetime, datetime] | None = None) -> dict[str, str]:
    found = {"start": start.isoformat(), "end": end.isoformat()}
    if reference is not None:
        found |= {"reference_start": reference[0].isoformat(), "reference_end": reference[1].isoformat()}
    return found

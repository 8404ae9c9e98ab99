"""The calling side of processes."""

from __future__ import annotations

from datetime import datetime

from backend.processes.schemas import ProcessOut, ProcessSeries, SampleIn
from backend.transport import Transport

#: Named, because the client's own `list` hides the built-in one.
Processes = list[ProcessOut]


class ProcessesClient:
    """`client.processes`: what the processes use of their machines."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, hours: float = 1) -> Processes:
        """The newest sample of every process heard of in the last hours."""
        return self._transport.get_list("/v1/processes", ProcessOut, hours=hours)

    def series(self, measure: str, start: datetime, end: datetime, *, grain_s: int | None = None) -> ProcessSeries:
        """A measure of group "capacity" over time, one line per process."""
        times = {"start": start.isoformat(), "end": end.isoformat()}
        return self._transport.get("/v1/processes/series", ProcessSeries, measure=measure, grain_s=grain_s, **times)

    def report(self, sample: SampleIn) -> None:
        """Say what this process uses; for processes that have no database open."""
        self._transport.request("POST", "/v1/processes/samples", json=sample.model_dump(mode="json"))

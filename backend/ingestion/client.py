"""The calling side of ingestion health."""

from __future__ import annotations

from datetime import datetime

from backend.ingestion.schemas import IngestionHealth
from backend.transport import Transport


class IngestionClient:
    """How well events come in."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def health(
        self, start: datetime, end: datetime, *, model: str | None = None, grain_s: int | None = None
    ) -> IngestionHealth:
        """Accepted, repeated and refused events over time; hot events, seals and lake per model."""
        return self._transport.get(
            "/v1/ingestion", IngestionHealth, start=start.isoformat(), end=end.isoformat(), model=model, grain_s=grain_s
        )

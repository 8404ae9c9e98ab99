"""The calling side of measures, series, summary and marks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from backend.monitors.schemas import Mark, MeasureOut, Series, Summary
from backend.transport import Transport


class MonitorsClient:
    """Charts of a model and the overview of all models."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def measures(self) -> list[MeasureOut]:
        """The catalogue of measures."""
        return self._transport.get_list("/v1/measures", MeasureOut)

    def series(
        self,
        model: str,
        measure: str,
        start: datetime,
        end: datetime,
        *,
        grain_s: int | None = None,
        split: str | None = None,
        version: str | None = None,
        role: str | None = None,
        segments: Mapping[str, str] | None = None,
        where: list[str] | None = None,
        previous: bool = False,
    ) -> Series:
        """A measure over time.

        `split` is "version", "role" or "segment:<key>"; `segments` picks one value per segment key; `where` are
        free conditions on columns of the events ("in_brightness<0.4"), which scan rows instead of roll-ups.
        """
        return self._transport.get(
            "/v1/monitors/series",
            Series,
            model=model,
            measure=measure,
            start=start.isoformat(),
            end=end.isoformat(),
            grain_s=grain_s,
            split=split,
            version=version,
            role=role,
            segment=[f"{key}={value}" for key, value in (segments or {}).items()] or None,
            where=where or None,
            previous=previous or None,
        )

    def summary(self, start: datetime | None = None, end: datetime | None = None) -> Summary:
        """All models: how they are doing now against the period before (default: the last 24 hours)."""
        return self._transport.get("/v1/monitors/summary", Summary, start=_text(start), end=_text(end))

    def marks(self, model: str, start: datetime, end: datetime) -> list[Mark]:
        """Rollouts, version registrations and alerts that fired in a window, oldest first."""
        return self._transport.get_list(
            "/v1/monitors/marks", Mark, model=model, start=start.isoformat(), end=end.isoformat()
        )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()

"""Calling side of labelled data."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from backend.labelled_data.schemas import ExportFormat, ExportManifest, LabelCounts, LabelledPage, Skipped
from backend.transport import Transport


class LabelledDataClient:
    """Resolved labels. Every method takes the same filters: start, end, label, method, segment ("key:value"),
    disagreement_only, has_artifact."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, model: str, *, limit: int = 100, cursor: str | None = None, **filters: Any) -> LabelledPage:
        """One page; pass `next_cursor` on to get the next."""
        params = filter_params(**filters)
        return self._transport.get("/v1/labelled-data", LabelledPage, model=model, limit=limit, cursor=cursor, **params)

    def counts(self, model: str, **filters: Any) -> LabelCounts:
        """How many labels there are, by label."""
        return self._transport.get("/v1/labelled-data/counts", LabelCounts, model=model, **filter_params(**filters))

    def manifest(self, model: str, *, format: ExportFormat = "jsonl", **filters: Any) -> ExportManifest:
        """What an export holds, with the SHA-256 of its bytes."""
        params = filter_params(**filters)
        return self._transport.get("/v1/labelled-data/manifest", ExportManifest, model=model, format=format, **params)

    def export(self, model: str, to: Path, *, format: ExportFormat = "jsonl", **filters: Any) -> int:
        """Stream the labels into a file; returns its bytes. The file appears when it is whole."""
        params = {"model": model, "format": format, **filter_params(**filters)}
        return self._transport.download("/v1/labelled-data/export", to, params=params)

    def skipped(self, model: str, *, limit: int = 100, **filters: Any) -> Skipped:
        """What people skipped, by reason, with the newest items. Filters: start, end, reason."""
        params = skip_params(**filters)
        return self._transport.get("/v1/labelled-data/skipped", Skipped, model=model, limit=limit, **params)

    def export_skipped(self, model: str, to: Path, *, format: ExportFormat = "jsonl", **filters: Any) -> int:
        """Stream the skips into a file; returns its bytes."""
        params = {"model": model, "format": format, **skip_params(**filters)}
        return self._transport.download("/v1/labelled-data/skipped/export", to, params=params)


def skip_params(*, start: datetime | None = None, end: datetime | None = None, reason: Any = None) -> dict[str, Any]:
    """The filters of skipped items as query parameters."""
    return {
        "start": start.isoformat() if start else None,
        "end": end.isoformat() if end else None,
        "reason": reason,
    }


def filter_params(
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    label: Any = None,
    method: Any = None,
    segment: Any = None,
    disagreement_only: bool | None = None,
    has_artifact: bool | None = None,
) -> dict[str, Any]:
    """The filters as query parameters."""
    return {
        "start": start.isoformat() if start else None,
        "end": end.isoformat() if end else None,
        "label": label,
        "method": method,
        "segment": segment,
        "disagreement_only": disagreement_only,
        "has_artifact": has_artifact,
    }

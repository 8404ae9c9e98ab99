"""Calling side of drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from backend.drift import schemas
from backend.transport import Transport

References = list[schemas.ReferenceOut]


class DriftClient:
    """`client.drift`: references, reports and what is behind them.

    Questions take model, start and end, and may narrow: `reference` (an id; default the current one), `version`,
    `role`, `segments` (one key and its value).
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def references(self, model: str) -> References:
        """References of a model, newest first."""
        return self._transport.get_list("/v1/drift/references", schemas.ReferenceOut, model=model)

    def create_reference(self, wish: schemas.ReferenceCreate | None = None, **fields: Any) -> schemas.ReferenceOut:
        """Freeze a window: `create_reference(model="pcb", start=..., end=...)`, or `kind="weeks", weeks=4`."""
        body = wish or schemas.ReferenceCreate(**fields)
        return self._transport.send("POST", "/v1/drift/references", schemas.ReferenceOut, body)

    def upload_reference(
        self, model: str, file: Path | bytes, *, name: str | None = None, make_current: bool = True
    ) -> schemas.ReferenceOut:
        """Freeze training data from a CSV or Parquet file."""
        content: Any = file if isinstance(file, bytes) else file.read_bytes()
        params = {
            "model": model,
            "name": name,
            "file_name": file.name if isinstance(file, Path) else None,
            "make_current": make_current,
        }
        answer = self._transport.request(
            "POST",
            "/v1/drift/references/upload",
            params=params,
            content=content,
            headers={"Content-Type": "application/octet-stream"},
        )
        return schemas.ReferenceOut.model_validate_json(answer.content)

    def get_reference(self, reference_id: str) -> schemas.ReferenceOut:
        return self._transport.get(f"/v1/drift/references/{reference_id}", schemas.ReferenceOut)

    def make_current(self, reference_id: str) -> schemas.ReferenceOut:
        """Compare with this reference from now on."""
        patch = schemas.ReferencePatch(is_current=True)
        return self._transport.send("PATCH", f"/v1/drift/references/{reference_id}", schemas.ReferenceOut, patch)

    def delete_reference(self, reference_id: str) -> None:
        self._transport.request("DELETE", f"/v1/drift/references/{reference_id}")

    def settings(self, model: str) -> schemas.DriftSettingsShape:
        return self._transport.get("/v1/drift/settings", schemas.DriftSettingsShape, model=model)

    def change_settings(self, model: str, **changes: Any) -> schemas.DriftSettingsShape:
        """Change `alarms_per_month`, `floor_sigma` or `window_s`."""
        patch = schemas.DriftSettingsPatch(**changes)
        return self._transport.send(
            "PATCH", "/v1/drift/settings", schemas.DriftSettingsShape, patch, params={"model": model}
        )

    def report(
        self, model: str, start: datetime, end: datetime, *, consequence: bool = True, **narrow: Any
    ) -> schemas.DriftReport:
        """Every feature of a window, what needs a look first."""
        params = _params(model, start, end, **narrow)
        return self._transport.get(
            "/v1/drift/report", schemas.DriftReport, **params, consequence=None if consequence else False
        )

    def series(
        self, model: str, start: datetime, end: datetime, *, grain_s: int | None = None, **narrow: Any
    ) -> schemas.DriftSeries:
        """Every feature over time."""
        params = _params(model, start, end, **narrow)
        return self._transport.get("/v1/drift/series", schemas.DriftSeries, **params, grain_s=grain_s)

    def feature(self, model: str, feature: str, start: datetime, end: datetime, **narrow: Any) -> schemas.FeatureDetail:
        """One feature with its histogram."""
        params = _params(model, start, end, **narrow)
        return self._transport.get("/v1/drift/feature", schemas.FeatureDetail, **params, feature=feature)

    def examples(
        self,
        model: str,
        feature: str,
        start: datetime,
        end: datetime,
        *,
        bins: Sequence[int] = (),
        limit: int | None = None,
        **narrow: Any,
    ) -> schemas.Examples:
        """Newest predictions in the named coarse bins, or in those that grew most."""
        params = _params(model, start, end, **narrow)
        return self._transport.get(
            "/v1/drift/examples", schemas.Examples, **params, feature=feature, bins=list(bins) or None, limit=limit
        )

    def together(self, model: str, start: datetime, end: datetime, **narrow: Any) -> schemas.Multivariate:
        """All features at once, from rows."""
        return self._transport.get("/v1/drift/together", schemas.Multivariate, **_params(model, start, end, **narrow))


def _params(
    model: str,
    start: datetime,
    end: datetime,
    *,
    reference: str | None = None,
    version: str | None = None,
    role: str | None = None,
    segments: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    return {
        "model": model,
        "start": start.isoformat(),
        "end": end.isoformat(),
        "reference": reference,
        "version": version,
        "role": role,
        "segment": [f"{key}={value}" for key, value in (segments or {}).items()] or None,
    }

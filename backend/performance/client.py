"""The calling side of performance over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from backend.performance.schemas import Changes, Clock, Detector, LabelledRows, Performance, Slices
from backend.transport import Transport

PATH = "/v1/performance"


class PerformanceClient:
    """How good a model was, where that changed, and where it is worst.

    Every call takes `version`, `segments` (one value per key), `where` (conditions as "in_brightness<0.4"), `as_of`
    (what was known then) and `clock`: "logged" counts a label from when it was told, "resolved" from when it was found.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def over_time(
        self,
        model: str,
        start: datetime,
        end: datetime,
        *,
        metric: str | None = None,
        grain_s: int | None = None,
        min_coverage: float | None = None,
        revised_since: datetime | None = None,
        reference: tuple[datetime, datetime] | None = None,
        **options: Any,
    ) -> Performance:
        """The three lines with coverage and lag; `reference` is where confidence is calibrated."""
        more = {
            "metric": metric,
            "grain_s": grain_s,
            "min_coverage": min_coverage,
            "revised_since": _text(revised_since),
            "reference_start": _text(reference[0] if reference else None),
            "reference_end": _text(reference[1] if reference else None),
        }
        return self._transport.get(PATH, Performance, **_asked(model, start, end, **options), **more)

    def changes(
        self, model: str, start: datetime, end: datetime, *, detector: Detector = "adwin", **options: Any
    ) -> Changes:
        """When the error changed."""
        asked = _asked(model, start, end, **options)
        return self._transport.get(f"{PATH}/changes", Changes, detector=detector, **asked)

    def slices(
        self,
        model: str,
        start: datetime,
        end: datetime,
        *,
        max_q: float = 0.05,
        min_n: int | None = None,
        **options: Any,
    ) -> Slices:
        """The worst parts of the predictions."""
        asked = _asked(model, start, end, **options)
        return self._transport.get(f"{PATH}/slices", Slices, max_q=max_q, min_n=min_n, **asked)

    def rows(
        self,
        model: str,
        start: datetime,
        end: datetime,
        *,
        only_wrong: bool = True,
        limit: int = 50,
        cursor: str | None = None,
        **options: Any,
    ) -> LabelledRows:
        """Labelled predictions, newest first."""
        asked = _asked(model, start, end, **options)
        flag = "true" if only_wrong else "false"
        return self._transport.get(f"{PATH}/rows", LabelledRows, only_wrong=flag, limit=limit, cursor=cursor, **asked)


def _asked(
    model: str,
    start: datetime,
    end: datetime,
    *,
    version: str | None = None,
    segments: Mapping[str, str] | None = None,
    where: Sequence[str] | None = None,
    as_of: datetime | None = None,
    clock: Clock = "logged",
) -> dict[str, Any]:
    return {
        "model": model,
        "start": start.isoformat(),
        "end": end.isoformat(),
        "version": version,
        "segment": [f"{key}={value}" for key, value in (segments or {}).items()] or None,
        "where": list(where or ()) or None,
        "as_of": _text(as_of),
        "clock": clock,
    }


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None

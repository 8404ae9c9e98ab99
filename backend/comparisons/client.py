"""The calling side of comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from backend.comparisons.schemas import Comparison, DisagreementPage, JudgeOut
from backend.transport import Transport


class ComparisonsClient:
    """Two judges on the same subjects.

    Judges are written `version:<name>`, `people`, `user:<id>`, `person:<id>`, `predictor:<name>` and `truth`; for data
    scientists other people are `inspector:<number>`.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def judges(self, model: str) -> list[JudgeOut]:
        """Who can be compared for this model."""
        return self._transport.get_list("/v1/comparisons/judges", JudgeOut, model=model)

    def compare(
        self,
        model: str,
        a: str,
        b: str,
        start: datetime,
        end: datetime,
        *,
        segments: Mapping[str, str] | None = None,
        by: Literal["subject", "request"] = "subject",
        seen: Literal["blind", "any"] = "blind",
        grain_s: int | None = None,
    ) -> Comparison:
        """Agreement, coefficients, confusion matrix, course over time, by segment, and who was right.

        The window is the time of the predictions, or of the decisions when neither judge is a version.
        """
        return self._transport.get(
            "/v1/comparisons",
            Comparison,
            model=model,
            a=a,
            b=b,
            start=start.isoformat(),
            end=end.isoformat(),
            segment=_segments(segments),
            by=by,
            seen=seen,
            grain_s=grain_s,
        )

    def disagreements(
        self,
        model: str,
        a: str,
        b: str,
        start: datetime,
        end: datetime,
        *,
        segments: Mapping[str, str] | None = None,
        by: Literal["subject", "request"] = "subject",
        seen: Literal["blind", "any"] = "blind",
        label_a: str | None = None,
        label_b: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> DisagreementPage:
        """Items on which the two differ, newest first; `label_a` and `label_b` pick a cell of the matrix."""
        return self._transport.get(
            "/v1/comparisons/disagreements",
            DisagreementPage,
            model=model,
            a=a,
            b=b,
            start=start.isoformat(),
            end=end.isoformat(),
            segment=_segments(segments),
            by=by,
            seen=seen,
            label_a=label_a,
            label_b=label_b,
            limit=limit,
            cursor=cursor,
        )


def _segments(segments: Mapping[str, str] | None) -> list[str] | None:
    return [f"{key}={value}" for key, value in (segments or {}).items()] or None

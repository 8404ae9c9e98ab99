"""One call of one version as the event that is logged of it, and as the error that its caller gets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.errors import Invalid, SoiError, Unavailable, UpstreamFailed, UpstreamTimeout
from backend.inference.answers import Answer
from backend.inference.plan import VersionRef
from backend.inference.schemas import PredictBody


@dataclass(frozen=True, slots=True)
class Judged:
    """One call of one version: an answer, or the status and reason why there is none.

    `steps_ns`: how long the input took to build, the version to compute, and its output to be read. `retry_after_s`:
    it cannot be reached now, and may be asked again then.
    """

    answer: Answer | None
    latency_ms: float
    status: str = "ok"
    error: str | None = None
    steps_ns: tuple[int, int, int] = (0, 0, 0)
    retry_after_s: float | None = None


def event_row(
    event_id: str,
    version: VersionRef,
    body: PredictBody,
    judged: Judged,
    happened_at: datetime,
    *,
    role: str,
    champion: str | float | None = None,
    probability: float | None = None,
) -> dict[str, Any]:
    """The event as it would come over the wire."""
    answer = judged.answer
    row: dict[str, Any] = {
        "id": event_id,
        "version": version.name,
        "role": role,
        "happened_at": happened_at.isoformat(),
        "request_id": body.request_id,
        "subject_id": body.subject_id,
        "trace_id": body.trace_id,
        "step": body.step,
        "inputs": body.inputs,
        "prediction": answer.prediction if answer is not None else None,
        "score": answer.score if answer is not None else None,
        "scores": answer.scores if answer is not None else None,
        "latency_ms": judged.latency_ms,
        "status": judged.status,
        "error": judged.error,
        "champion_prediction": champion,
        "assignment_probability": probability,
        "segments": body.segments,
        "artifacts": body.artifacts,
    }
    return {name: value for name, value in row.items() if value not in (None, {}, [])}


def as_error(judged: Judged, event_id: str) -> SoiError:
    """What the caller is told when there is no answer; the event says the same."""
    reason, details = judged.error or "the version gave no answer", {"event_id": event_id}
    if judged.status == "timeout":
        return UpstreamTimeout(reason, details=details)
    if judged.status == "rejected":
        return Invalid(reason, code="unusable_input", details=details)
    if judged.retry_after_s is not None:
        return Unavailable(reason, code="version_unreachable", details=details, retry_after_s=judged.retry_after_s)
    return UpstreamFailed(reason, code="version_failed", details=details)

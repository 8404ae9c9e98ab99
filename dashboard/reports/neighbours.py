"""What a report takes over from drift and from alerts, where the client has them: two small shapes and their readers.

A part that is to appear offers `report_lines(model, start, end)` on its client attribute, in these shapes' fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from backend.client import Client

DriftVerdict = Literal["ok", "drifted", "negligible", "insufficient", "failed"]


@dataclass(frozen=True, slots=True)
class DriftLine:
    """One input or output: how far it moved from its reference, in standard deviations of the reference.

    `reason` is what the part itself says about it, such as a failure; `n` are the rows of the window.
    """

    feature: str
    verdict: DriftVerdict
    shift_sigma: float | None = None
    n: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One alert: the rule's name, its measure, and from when to when it held. `ended_at` None: it still does."""

    rule: str
    severity: Literal["info", "warning", "critical"]
    started_at: datetime
    ended_at: datetime | None = None
    measure: str | None = None
    note: str | None = None


def read_drift(client: Client, model: str, start: datetime, end: datetime) -> list[DriftLine] | None:
    """The drift of the window by feature; None where this client knows no drift."""
    found = _lines(client, "drift", model, start, end)
    if found is None:
        return None
    return [
        DriftLine(
            feature=str(one.feature),
            verdict=one.verdict,
            shift_sigma=getattr(one, "shift_sigma", None),
            n=getattr(one, "n", None),
            reason=getattr(one, "reason", None),
        )
        for one in found
    ]


def read_alerts(client: Client, model: str, start: datetime, end: datetime) -> list[AlertLine] | None:
    """The alerts that held in the window, in order of their beginning; None where this client knows no alerts."""
    found = _lines(client, "alerts", model, start, end)
    if found is None:
        return None
    lines = [
        AlertLine(
            rule=str(one.rule),
            severity=one.severity,
            started_at=one.started_at,
            ended_at=getattr(one, "ended_at", None),
            measure=getattr(one, "measure", None),
            note=getattr(one, "note", None),
        )
        for one in found
    ]
    return sorted(lines, key=lambda line: line.started_at)


def _lines(client: Client, part: str, model: str, start: datetime, end: datetime) -> Iterable[Any] | None:
    source = getattr(client, part, None)
    ask = getattr(source, "report_lines", None)
    found: Iterable[Any] | None = ask(model, start, end) if ask is not None else None
    return found

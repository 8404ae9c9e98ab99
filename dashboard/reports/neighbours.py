"""What a report takes over from drift and from alerts, where the client has them: two shapes and their readers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from backend.client import ApiError, Client

_MAX_ALERTS: Final = 100


@dataclass(frozen=True, slots=True)
class DriftLine:
    """One feature of the window against its reference: the verdict (ok, drifted, negligible, insufficient, failed), the
    shift in standard deviations of the reference, the rows, and the code of the reason with what its text may name."""

    feature: str
    verdict: str
    shift_sigma: float | None
    n: int
    reason: str | None
    n_needed: int | None = None
    visible_sigma: float | None = None
    null_rate_before: float | None = None
    null_rate_now: float | None = None


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One incident: the rule that fired, how far (warning, alert), where, and from when to when. `ended_at` None: it
    still holds. `title_key` names rules that the product brought along."""

    rule: str
    title_key: str | None
    state: str
    series: str
    started_at: datetime
    ended_at: datetime | None


def read_drift(client: Client, model: str, start: datetime, end: datetime) -> list[DriftLine] | None:
    """The drift of the window by feature; None where this client knows no drift or the model has no reference."""
    source: Any = getattr(client, "drift", None)
    if source is None:
        return None
    try:
        found = source.report(model, start, end, consequence=False)
    except ApiError as error:
        if error.code == "no_reference":
            return None
        raise
    return [
        DriftLine(
            feature=str(one.feature),
            verdict=str(one.verdict),
            shift_sigma=one.shift_sigma,
            n=int(one.n_current),
            reason=one.reason,
            n_needed=one.n_needed,
            visible_sigma=one.visible_sigma,
            null_rate_before=one.null_rate_reference,
            null_rate_now=one.null_rate_current,
        )
        for one in found.features
    ]


def read_alerts(client: Client, model: str, start: datetime, end: datetime) -> list[AlertLine] | None:
    """The incidents that were open in the window, oldest first; None where this client knows no alerts."""
    source: Any = getattr(client, "alerts", None)
    if source is None:
        return None
    lines = [
        AlertLine(
            rule=str(one.rule_name),
            title_key=one.title_key,
            state=str(one.state),
            series=str(one.series),
            started_at=one.opened_at,
            ended_at=one.closed_at,
        )
        for one in source.incidents(model=model, start=start, end=end, limit=_MAX_ALERTS).items
        if not one.is_silenced
    ]
    return sorted(lines, key=lambda line: line.started_at)

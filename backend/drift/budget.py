"""The one knob: at most x false alarms per model and month, turned into the level of evidence of a window. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from backend.drift.evidence import MONTH_DAYS, alpha_of_budget
from backend.drift.verdicts import Rules

#: Where a model's settings keep these values.
KEY = "drift"


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """A model's knob: false alarms a month at most, the effect in sigma that matters, and how long a window is."""

    alarms_per_month: float = 1.0
    floor_sigma: float = 0.1
    window_s: int = 86_400


def settings_of(model_settings: dict[str, Any] | None) -> DriftSettings:
    """The drift settings inside a model's settings, with defaults for what is not set."""
    stored = (model_settings or {}).get(KEY) or {}
    known = {name: stored[name] for name in DriftSettings.__dataclass_fields__ if name in stored}
    return DriftSettings(**known)


def rules_of(settings: DriftSettings, start: datetime, end: datetime, *, windows_per_month: float | None = None) -> Rules:
    """The rules of a window [start, end): evaluated once per its own length unless the caller evaluates more often.

    >>> from datetime import UTC
    >>> day = datetime(2026, 5, 1, tzinfo=UTC)
    >>> round(rules_of(DriftSettings(), day, day + timedelta(hours=1)).alpha, 6)
    0.001389
    """
    length = max((end - start) / timedelta(days=1), 1 / 24)
    n_windows = MONTH_DAYS / length if windows_per_month is None else windows_per_month
    return Rules(alpha_of_budget(settings.alarms_per_month, n_windows), settings.floor_sigma)

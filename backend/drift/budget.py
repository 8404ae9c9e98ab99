"""The one knob: at most x false alarms per model and month, turned into the level of evidence of a window. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from backend.drift.evidence import MONTH_DAYS, alpha_of_budget
from backend.drift.verdicts import Rules

#: Where a model's settings keep these values.
KEY = "drift"
#: The least and the most that each may be.
LIMITS: dict[str, tuple[float, float]] = {
    "alarms_per_month": (0.01, 100),
    "floor_sigma": (0, 2),
    "window_s": (3_600, 2_592_000),
}


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """A model's knob: false alarms a month at most, the effect in sigma that matters, and how long a window is."""

    alarms_per_month: float = 1.0
    floor_sigma: float = 0.1
    window_s: int = 86_400


def settings_of(model_settings: dict[str, Any] | None) -> DriftSettings:
    """The drift settings inside a model's settings; what is not set, or makes no sense there, has its default."""
    stored = (model_settings or {}).get(KEY)
    usable = {}
    for name, (low, high) in LIMITS.items():
        value = stored.get(name) if isinstance(stored, dict) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            usable[name] = value
    return DriftSettings(**usable)  # type: ignore[arg-type]


def rules_of(
    settings: DriftSettings, start: datetime, end: datetime, *, windows_per_month: float | None = None
) -> Rules:
    """The rules of a window [start, end): evaluated once per its own length unless the caller evaluates more often.

    >>> from datetime import UTC
    >>> day = datetime(2026, 5, 1, tzinfo=UTC)
    >>> round(rules_of(DriftSettings(), day, day + timedelta(hours=1)).alpha, 6)
    0.001389
    """
    length = max((end - start) / timedelta(days=1), 1 / 24)
    n_windows = MONTH_DAYS / length if windows_per_month is None else windows_per_month
    return Rules(alpha_of_budget(settings.alarms_per_month, n_windows), settings.floor_sigma)

"""The limits that the door holds every event to; the process's settings fill them in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """Sizes in bytes, the window of times around now, and the most rows of one request."""

    max_event_bytes: int = 2**20
    past_days: int = 3650
    future_minutes: int = 60
    max_depth: int = 64

    def window_us(self, now: datetime | None = None) -> tuple[int, int]:
        """First and last acceptable time of an event, in microseconds since 1970."""
        at = now or datetime.now(UTC)
        first = at - timedelta(days=self.past_days)
        last = at + timedelta(minutes=self.future_minutes)
        return int(first.timestamp() * 1_000_000), int(last.timestamp() * 1_000_000)

"""The limits that the door holds every event to; the process's settings fill them in."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """Sizes in bytes, the window of times around now, and the most rows of one request."""

    max_event_bytes: int = 2**20
    past_days: int = 3650
    future_minutes: int = 60
    max_depth: int = 64

    def window_us(self, now: datetime | None = None) -> tuple[int, int]:
        """First and last acceptable time of an event, in microseconds since 1970."""
        at = int(now.timestamp() * 1_000_000) if now is not None else time.time_ns() // 1000
        return at - self.past_days * 86_400_000_000, at + self.future_minutes * 60_000_000

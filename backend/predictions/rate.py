"""How many logging requests each caller may send; counted in this process, used by the door before it reads a body."""

from __future__ import annotations

import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from backend.errors import TooManyRequests


class RequestRate:
    """At most `per_minute` requests of one caller in a clock minute; 0: as many as they like."""

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def check(self, actor: str) -> None:
        """Count one request; TooManyRequests (429 with Retry-After) when it is one too many."""
        if self._limit is None or self._limiter.hit(self._limit, actor):
            return
        wait_s = self._limiter.get_window_stats(self._limit, actor).reset_time - time.time()
        raise TooManyRequests(
            "more requests than this caller may send; nothing was stored", retry_after_s=max(1.0, wait_s)
        )

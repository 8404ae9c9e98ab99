"""How often somebody may try to sign in, counted in this process."""

from __future__ import annotations

import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from backend.errors import TooManyRequests

#: One address may try this many times as often over all accounts together (an office behind one address).
_ADDRESS_FACTOR = 10


class Throttle:
    """Counts attempts per address and account, and per address; raises TooManyRequests beyond the limit."""

    def __init__(self, per_minute: int) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._per_account = RateLimitItemPerMinute(per_minute)
        self._per_address = RateLimitItemPerMinute(per_minute * _ADDRESS_FACTOR)

    def check(self, address: str, account: str) -> None:
        """Count one attempt."""
        for limit, keys in (
            (self._per_address, ("address", address)),
            (self._per_account, ("account", address, account)),
        ):
            if not self._limiter.hit(limit, *keys):
                reset_at = self._limiter.get_window_stats(limit, *keys).reset_time
                wait_s = max(1.0, reset_at - time.time())
                raise TooManyRequests("too many attempts; wait a moment", retry_after_s=wait_s)

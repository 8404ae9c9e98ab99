"""When a message is tried again, and when it is given up. Pure; `u` is a number in [0, 1) that the caller draws."""

from __future__ import annotations

from datetime import datetime, timedelta

#: Waits double from the first to the longest; jitter keeps many messages from coming back at once.
FIRST_S, LONGEST_S = 5.0, 3600.0


def wait_s(n_attempts: int, u: float) -> float:
    """How long to wait after the n-th failed attempt: exponential backoff, between half and all of it.

    >>> [round(wait_s(n, 0.5), 2) for n in (1, 2, 3)]
    [3.75, 7.5, 15.0]
    """
    longest = min(LONGEST_S, FIRST_S * 2.0 ** min(n_attempts - 1, 30))
    return longest * (0.5 + u / 2)


def after_failure(n_attempts: int, now: datetime, give_up_at: datetime, u: float) -> tuple[str, datetime]:
    """(state, next attempt): waiting until then, or given_up when the time is over."""
    if now >= give_up_at:
        return "given_up", now
    return "waiting", min(now + timedelta(seconds=wait_s(n_attempts, u)), give_up_at)

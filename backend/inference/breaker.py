"""A circuit breaker: an upstream that fails again and again is left alone for a while, then tried once. Pure."""

from __future__ import annotations

import threading

#: This many failures in a row open the circuit for this long.
FAILURES, OPEN_S = 5, 15.0


class Breaker:
    """Safe to use from several threads; `now` is any clock that only goes forward, in seconds.

    >>> one = Breaker()
    >>> for _ in range(FAILURES): one.failed(now=0.0)
    >>> one.closed_in(now=1.0), one.closed_in(now=15.0), one.closed_in(now=15.0)
    (14.0, 0.0, 15.0)
    """

    def __init__(self) -> None:
        self._n_failed = 0
        self._open_until = 0.0
        self._lock = threading.Lock()

    def closed_in(self, now: float) -> float:
        """Seconds until the upstream may be asked; 0 when it may. Of those who ask after a pause one gets through."""
        with self._lock:
            if self._n_failed < FAILURES:
                return 0.0
            if now < self._open_until:
                return self._open_until - now
            self._open_until = now + OPEN_S
            return 0.0

    def succeeded(self) -> None:
        """It answered: all is forgotten."""
        with self._lock:
            self._n_failed = 0

    def failed(self, now: float) -> None:
        """It did not answer, or answered that it cannot."""
        with self._lock:
            self._n_failed += 1
            if self._n_failed >= FAILURES:
                self._open_until = now + OPEN_S

"""When an upstream is left alone, and when it is tried again."""

from __future__ import annotations

from backend.inference.breaker import FAILURES, OPEN_S, Breaker


def test_the_breaker_lets_one_through_after_each_pause() -> None:
    breaker = Breaker()
    for n in range(FAILURES):
        assert breaker.closed_in(float(n)) == 0
        breaker.failed(float(n))
    last = float(FAILURES - 1)
    assert breaker.closed_in(last + OPEN_S - 1) == 1
    assert [breaker.closed_in(last + OPEN_S) for _ in range(3)] == [0, OPEN_S, OPEN_S]
    breaker.failed(last + OPEN_S)
    assert breaker.closed_in(last + OPEN_S + 1) == OPEN_S - 1
    breaker.succeeded()
    assert breaker.closed_in(last + OPEN_S + 1) == 0
    breaker.failed(last + OPEN_S + 1)
    assert breaker.closed_in(last + OPEN_S + 1) == 0

"""When a step of a pipeline counts as well, in need of a look, or bad: fixed limits, because a step's card compares two
windows that people choose, while alert rules watch over the present. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from backend.monitors.schemas import Figure, State

#: Below this many events a rate says too little to complain about.
MIN_EVENTS: Final = 50


class Limit(NamedTuple):
    """A share above `warning` or `bad` is a complaint; `rise` is a worsening against the reference window."""

    warning: float
    bad: float
    rise: float


LIMITS: Final[Mapping[str, Limit]] = {
    "error_rate": Limit(0.02, 0.10, 0.02),
    "null_output_rate": Limit(0.05, 0.20, 0.02),
    "missing_rate": Limit(0.10, 0.40, 0.05),
}
#: p95 latency this many times that of the reference window.
SLOWER: Final = Limit(1.5, 3.0, 0.0)


def judge_step(figures: dict[str, Figure]) -> tuple[State, list[str]]:
    """Bad or in need of a look by the limits above; the names of the measures that say so, worst first.

    Against a reference of another length the number of requests says nothing, so only silence counts.
    """
    events = figures["requests"]
    if not events.n:
        return ("bad", ["requests"]) if (events.previous or 0) >= MIN_EVENTS else ("no_data", [])
    found: list[tuple[bool, str]] = []
    for name, limit in LIMITS.items():
        figure = figures[name]
        if figure.n < MIN_EVENTS or figure.lower is None:
            continue
        rise = figure.lower - figure.previous if figure.previous is not None else 0.0
        if figure.lower > limit.warning or rise > limit.rise:
            found.append((figure.lower > limit.bad, name))
    latency = figures["latency_p95"]
    if latency.n >= MIN_EVENTS and latency.value is not None and latency.previous:
        times = latency.value / latency.previous
        if times >= SLOWER.warning:
            found.append((times >= SLOWER.bad, "latency_p95"))
    found.sort(key=lambda item: (not item[0], item[1]))
    state: State = "ok" if not found else "bad" if found[0][0] else "warning"
    return state, [name for _, name in found]

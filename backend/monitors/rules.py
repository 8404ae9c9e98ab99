"""When a model counts as well, in need of a look, or bad: by what its alert rules say at this moment. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

State = Literal["ok", "warning", "bad", "no_data"]


class Firing(Protocol):
    """An open incident: "warning" or "alert"."""

    state: str


def judge_model(has_events: bool, firing: Sequence[Firing]) -> State:
    """The state of a model: the worst that fires. Without events in the range and before it, nothing can be said."""
    if any(one.state == "alert" for one in firing):
        return "bad"
    if firing:
        return "warning"
    return "ok" if has_events else "no_data"

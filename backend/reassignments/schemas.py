"""Shapes of reassignments: items of a person that others look at again."""

from __future__ import annotations

from datetime import datetime

from backend.shapes import Output


class ReassignmentOut(Output):
    """Items of a person whose agreement on planted items in [window_start, window_end) was `n_agreed` of `n_checks`,
    under the limit. `n_waiting` of the `n_items` are not answered by somebody else yet. `reversed_at`: taken back."""

    id: str
    judge: str
    name: str | None
    window_start: datetime
    window_end: datetime
    n_checks: int
    n_agreed: int
    min_agreement: float
    n_items: int
    n_waiting: int
    created_at: datetime
    reversed_by: str | None
    reversed_at: datetime | None

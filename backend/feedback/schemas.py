"""Shapes of feedback: what became of a prediction, told later."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from backend.shapes import Input, Moment, Output

MAX_SIGNALS = 10_000


def _normal(value: str) -> str:
    """Names that look the same are one signal."""
    return unicodedata.normalize("NFC", value)


SignalName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(_normal)
]


class FeedbackIn(Input):
    """One signal about a prediction: `name` such as "searched_again", "clicked" or "overrode", and a number if it has
    one. With a `key` the same signal sent again counts once. A prediction that is not known yet is waited for.
    """

    prediction_id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    name: SignalName
    value: float | None = None
    happened_at: Moment | None = None
    key: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    model: str | None = None


class FeedbackStored(BaseModel):
    """What became of a request: `conflicts` are places of items whose key was used for another signal before."""

    n: int
    n_new: int
    n_duplicate: int
    conflicts: list[int] = Field(default_factory=list)


class FeedbackOut(Output):
    """One stored signal. `predicted_at` is null while its prediction has not come."""

    id: int
    prediction_id: str
    name: str
    value: float | None
    happened_at: datetime
    received_at: datetime
    predicted_at: datetime | None
    is_counted: bool

"""Shapes of embeddings: vectors in, what there is, drift on them, and runs that make them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from backend.shapes import Input, Moment, Output

MAX_ITEMS = 1_000
MAX_DIMS = 4_096

Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]


def _own_name(value: str) -> str:
    if value.startswith("soi:"):
        raise ValueError('names that begin with "soi:" are those of our own encoders')
    return value


#: A caller's own encoder.
EncoderName = Annotated[
    str, StringConstraints(pattern="^[A-Za-z0-9][A-Za-z0-9 ._:/-]*$", max_length=100), AfterValidator(_own_name)
]


class ItemVector(Input):
    """A vector of a prediction (`event_id`) or of a stored file (`artifact`).

    `happened_at` is needed where the prediction is not logged yet; otherwise it is the prediction's, or for a file the
    time at which it was stored.
    """

    event_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    artifact: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] | None = None
    happened_at: Moment | None = None
    vector: list[float] = Field(min_length=2, max_length=MAX_DIMS)

    @model_validator(mode="after")
    def _check_item(self) -> ItemVector:
        if self.event_id is None and self.artifact is None:
            raise ValueError("name the item: event_id or artifact")
        if any(abs(value) > 1e30 for value in self.vector):
            raise ValueError("a vector holds numbers of ordinary size")
        return self


class VectorsBody(Input):
    model: Name
    encoder: EncoderName
    items: list[ItemVector] = Field(min_length=1, max_length=MAX_ITEMS)


class VectorRefused(Output):
    """An item that was not stored."""

    index: int
    code: Literal["unknown_item", "other_length"]
    message: str


class VectorsStored(Output):
    n_stored: int
    n_refused: int
    refused: list[VectorRefused]


class EncoderOut(BaseModel):
    """What vectors a model has under one encoder."""

    encoder: str
    n_dims: int
    n: int
    first_at: datetime
    last_at: datetime


class TestOut(BaseModel):
    """One two-sample test: its statistic, and p from permutations."""

    __test__ = False
    name: Literal["classifier", "mmd"]
    statistic: float
    p: float
    n_permutations: int


class DriftPoint(BaseModel):
    """The classifier test of one stretch of the window against the reference; `q` is adjusted for all stretches."""

    start: datetime
    end: datetime
    n: int
    auc: float | None
    p: float | None
    q: float | None


class Example(BaseModel):
    """An item that shows the change: of the window one that looks least like the reference, or the other way round."""

    side: Literal["window", "reference"]
    score: float
    event_id: str | None
    artifact: str | None
    happened_at: datetime


class EmbeddingDrift(BaseModel):
    """Do the vectors of the window come from where those of the reference came from.

    `shift_sigma` is the shift of a normal variable with the same AUC. `verdict` insufficient: `n_needed` vectors are
    needed on each side.
    """

    model: str
    encoder: str | None
    start: datetime
    end: datetime
    reference_start: datetime
    reference_end: datetime
    verdict: Literal["ok", "drifted", "insufficient"]
    alpha: float
    p: float | None
    n_window: int
    n_reference: int
    n_used_window: int
    n_used_reference: int
    n_needed: int
    shift_sigma: float | None
    tests: list[TestOut]
    points: list[DriftPoint]
    examples: list[Example]


class RunBody(Input):
    """Encode items of a model that have no vector yet, at most `per_day` of each day of the last `days`."""

    model: Name
    days: int = Field(30, ge=1, le=400)
    per_day: int = Field(100, ge=1, le=5_000)


class RunOut(BaseModel):
    """The queued job; watch it under /v1/jobs."""

    job: dict[str, Any]

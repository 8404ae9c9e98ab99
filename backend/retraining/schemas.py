"""Shapes of retraining runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from backend.datasets.schemas import RowId
from backend.jobs.schemas import JobInfo
from backend.model_versions.schemas import VersionName
from backend.shapes import Input, Output


class RetrainingCreate(Input):
    """A run to start: fine-tune `parent_version` on a dataset. `new_version`: its name (default: the next v<n>).

    `learning_rate` defaults to what suits fine-tuning. The new version goes into shadow unless `put_in_shadow` is off.
    """

    dataset_id: RowId
    parent_version: VersionName
    new_version: VersionName | None = None
    epochs: Annotated[int, Field(ge=1, le=200)] = 8
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    rng_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    put_in_shadow: bool = True


class EpochRow(Output):
    """One epoch: mean loss on the training part, accuracy on the held-out part, duration."""

    epoch: int
    loss: float
    accuracy: float | None = None
    seconds: float | None = None


class RetrainingRunInfo(Output):
    """One run with its job. `metrics`: {"new": {...}, "parent": {...}} on the dataset's held-out part."""

    id: str
    model: str
    dataset_id: str
    dataset_name: str
    parent_version: str
    new_version: str | None
    parameters: dict[str, Any]
    history: list[EpochRow]
    metrics: dict[str, Any]
    created_by: str
    created_at: datetime
    job: JobInfo

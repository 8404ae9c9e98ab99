"""Shapes of datasets: what to take a snapshot of, and what a snapshot holds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from backend.shapes import Input, Moment, Output, Slug

DatasetFormat = Literal["jsonl", "parquet"]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
RowId = Annotated[str, StringConstraints(pattern="^[0-9a-f-]{36}$")]


class DatasetFilters(Input):
    """Which labels go into a snapshot; nothing given means all of the model's."""

    start: Moment | None = None
    end: Moment | None = None
    labels: Annotated[list[Text], Field(max_length=100)] = []
    methods: Annotated[list[Text], Field(max_length=20)] = []
    segments: Annotated[dict[Text, Text], Field(max_length=20)] = {}
    disagreement_only: bool = False


class DatasetCreate(Input):
    """A snapshot to build. `held_out_share` of the subjects are kept for measuring, chosen by a hash of their id.

    `parent` is the snapshot that this one follows. Without a name it gets one from the time.
    """

    model: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    name: Slug | None = None
    filters: DatasetFilters = DatasetFilters()
    held_out_share: Annotated[float, Field(ge=0, le=0.9)] = 0.2
    parent: RowId | None = None


class DatasetInfo(Output):
    """One snapshot. `manifest`: files with hashes, counts per label and split, what was skipped, filters, lineage."""

    id: str
    model: str
    name: str
    content_sha256: str
    n_items: int
    parent_id: str | None
    manifest: dict[str, Any]
    created_by: str
    created_at: datetime

"""Shapes of the health of ingestion."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel


class IngestionSeries(BaseModel):
    """Events per bucket: taken in, recognised as sent before, and refused per reason."""

    bucket_at: list[datetime]
    accepted: list[int]
    duplicates: list[int]
    refused: dict[str, list[int]]


class ModelIngestion(BaseModel):
    """One model's ingestion in the window, and how its events are stored now.

    `known` is false for a name that events were refused under because no such model exists.
    """

    model: str
    known: bool
    accepted: int
    duplicates: int
    refused: dict[str, int]
    hot_events: int
    hot_batches: int
    oldest_hot_at: datetime | None
    oldest_hot_age_s: float | None
    last_seal_at: datetime | None
    last_seal_events: int | None
    last_seal_s: float | None
    lake_events: int
    lake_files: int
    lake_bytes: int
    bytes_per_event: float | None
    open_notices: int


class IngestionHealth(BaseModel):
    """How well events come in, over time and per model."""

    start: datetime
    end: datetime
    grain_s: int
    series: IngestionSeries
    models: list[ModelIngestion]

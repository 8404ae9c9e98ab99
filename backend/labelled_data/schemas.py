"""Shapes of labelled data: one resolved label, a page of them, and the manifest of an export."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from backend.shapes import Output

ExportFormat = Literal["jsonl", "csv", "parquet"]


class LabelledItem(Output):
    """One resolved label with what is known about its subject."""

    subject_id: str
    label: str
    method: str
    resolved_at: datetime
    artifact_sha256: str | None
    golden_sha256: str | None
    segments: dict[str, str]
    inputs: dict[str, Any]
    champion_version: str | None
    champion_label: str | None
    champion_score: float | None
    n_opinions: int


class LabelledPage(Output):
    """Labels in the order they were resolved; `next_cursor` is null on the last page."""

    items: list[LabelledItem]
    next_cursor: str | None


class LabelCounts(Output):
    """How many labels a filter selects."""

    n_items: int
    labels: dict[str, int]


class SkippedItem(Output):
    """An item that a person skipped. `state` is its task's: open (somebody else gets it), skipped (it left the queue)
    or done (others answered)."""

    subject_id: str
    reason: str | None
    comment: str | None
    skipped_at: datetime
    state: str | None
    artifact_sha256: str | None
    golden_sha256: str | None
    segments: dict[str, str]


class Skipped(Output):
    """Skips by reason ("" where none was given), and the newest of them."""

    n_items: int
    reasons: dict[str, int]
    items: list[SkippedItem]


class ExportManifest(Output):
    """What an export with this filter and format holds, and the SHA-256 of its bytes."""

    model: str
    format: ExportFormat
    filters: dict[str, Any]
    n_items: int
    n_bytes: int
    sha256: str
    labels: dict[str, int]
    methods: dict[str, int]
    columns: dict[str, str]

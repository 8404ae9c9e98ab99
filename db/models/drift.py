"""Frozen references, and counts of features on their edges."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, JsonValue, UtcDateTime, new_id, utc_now
from db.models.event_log import BigId


class DriftReference(Base):
    """A frozen profile that windows are compared with; `number` counts a model's references from 1 and is its version.

    `kind`: window (logged events), upload (a file of training data) or weeks (the same hours of past weeks, whose
    counts come from the cells themselves). `profile` is an encoded db.eventlog.feature_profile.Profile and `sample`
    some of its rows as Parquet, for what needs rows; neither ever changes. History is counted up to `lake_version`
    (`n_files_done` of `n_files`, newest day first, so that what lies after `counted_from_at` is whole while `state` is
    still counting), and each seal after that adds its own events.
    """

    __tablename__ = "drift_references"
    __table_args__ = (UniqueConstraint("model_id", "number"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(10))
    is_current: Mapped[bool] = mapped_column(Boolean, default=False)
    n_rows: Mapped[int] = mapped_column(BigInteger)
    profile: Mapped[bytes] = mapped_column(LargeBinary)
    sample: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    facts: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)
    state: Mapped[str] = mapped_column(String(10), default="counting")
    lake_version: Mapped[int | None] = mapped_column(BigInteger)
    n_files: Mapped[int] = mapped_column(Integer, default=0)
    n_files_done: Mapped[int] = mapped_column(Integer, default=0)
    counted_from_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class FeatureCount(Base):
    """How many sealed events of one hour or day fell into each bin of every feature of a reference.

    `grain_s` is 3600 or 86400; `segment_key` '' means all. `counts` is encoded by db.eventlog.feature_counts.
    """

    __tablename__ = "feature_counts"
    __table_args__ = (
        UniqueConstraint(
            "reference_id",
            "grain_s",
            "bucket_at",
            "version",
            "role",
            "segment_key",
            "segment_value",
            name="uq_feature_counts_cell",
        ),
        Index("ix_feature_counts_window", "reference_id", "grain_s", "segment_key", "bucket_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    reference_id: Mapped[str] = mapped_column(ForeignKey("drift_references.id", ondelete="CASCADE"))
    grain_s: Mapped[int] = mapped_column(Integer)
    bucket_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(20))
    segment_key: Mapped[str] = mapped_column(String(100), default="")
    segment_value: Mapped[str] = mapped_column(String(200), default="")
    n_events: Mapped[int] = mapped_column(BigInteger)
    counts: Mapped[bytes] = mapped_column(LargeBinary)

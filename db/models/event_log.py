"""The SQL side of the event log: hot batches, seals, roll-ups, id runs, quarantine and idempotency keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, JsonValue, UtcDateTime, utc_now

BigId = BigInteger().with_variant(Integer(), "sqlite")


class EventBatch(Base):
    """Events of one model that were committed together.

    `payload` is an Arrow IPC stream (zstd) in the model's event schema; `id_hashes` are its event ids as
    little-endian uint64 hashes in row order. Batches up to the `last_batch_id` of the model's last finished seal are
    in the lake: nobody counts them any more, and their rows are on the way out.
    """

    __tablename__ = "event_batches"
    # Without AUTOINCREMENT SQLite gives the ids of deleted rows again, and cursors over batches would skip new ones.
    __table_args__ = (Index("ix_event_batches_model_id_id", "model_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    n_events: Mapped[int] = mapped_column(Integer)
    first_happened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_happened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    logged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    id_hashes: Mapped[bytes] = mapped_column(LargeBinary)


class Seal(Base):
    """One move of batches into the lake. `delta_version` is the lake's version that holds it.

    A seal claims all hot batches up to `last_batch_id`. A compaction moves none and repeats the number before it.
    """

    __tablename__ = "seals"
    __table_args__ = (Index("ix_seals_model_id_id", "model_id", "id"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(String(10), default="claimed")
    owner: Mapped[str] = mapped_column(String(100))
    lease_until: Mapped[datetime] = mapped_column(UtcDateTime)
    n_events: Mapped[int] = mapped_column(Integer, default=0)
    last_batch_id: Mapped[int | None] = mapped_column(BigId)
    delta_version: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class EventIdRun(Base):
    """A sorted file of sealed event-id hashes; the door looks ids up in it so that an id counts once for ever.

    `first_ms` and `last_ms` bound the times inside the UUIDv7 ids; `is_timed` is false when other ids occur.
    """

    __tablename__ = "event_id_runs"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), index=True)
    seal_id: Mapped[int] = mapped_column(BigId)
    path: Mapped[str] = mapped_column(String(500))
    n_ids: Mapped[int] = mapped_column(BigInteger)
    is_timed: Mapped[bool] = mapped_column(Boolean)
    first_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    last_ms: Mapped[int] = mapped_column(BigInteger, default=0)


class Rollup(Base):
    """Additive counts of sealed events in one time bucket, for the whole or for one value of one segment key.

    `grain_s` is 300, 3600 or 86400; `segment_key` '' means all. `latency` is a sparse log-bucket histogram
    (int16 bucket, uint32 count pairs); `numbers` holds sums and histograms of scores, metrics, media and lengths
    (db.eventlog.numbers); `counts` holds the small maps: labels, missing per field, errors by kind, values outside of
    their declared range or categories, and feedback signals.
    """

    __tablename__ = "rollups"
    __table_args__ = (
        UniqueConstraint(
            "model_id",
            "grain_s",
            "bucket_at",
            "version",
            "role",
            "segment_key",
            "segment_value",
            name="uq_rollups_cell",
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    grain_s: Mapped[int] = mapped_column(Integer)
    bucket_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(20))
    segment_key: Mapped[str] = mapped_column(String(100), default="")
    segment_value: Mapped[str] = mapped_column(String(200), default="")
    n_events: Mapped[int] = mapped_column(BigInteger, default=0)
    n_errors: Mapped[int] = mapped_column(BigInteger, default=0)
    n_timeouts: Mapped[int] = mapped_column(BigInteger, default=0)
    n_null_outputs: Mapped[int] = mapped_column(BigInteger, default=0)
    n_cached: Mapped[int] = mapped_column(BigInteger, default=0)
    n_fields: Mapped[int] = mapped_column(BigInteger, default=0)
    n_missing_fields: Mapped[int] = mapped_column(BigInteger, default=0)
    n_with_missing: Mapped[int] = mapped_column(BigInteger, default=0)
    n_scored: Mapped[int] = mapped_column(BigInteger, default=0)
    score_sum: Mapped[float] = mapped_column(Float, default=0.0)
    n_timed: Mapped[int] = mapped_column(BigInteger, default=0)
    latency_sum_ms: Mapped[float] = mapped_column(Float, default=0.0)
    n_pairs: Mapped[int] = mapped_column(BigInteger, default=0)
    n_agreed: Mapped[int] = mapped_column(BigInteger, default=0)
    latency: Mapped[bytes] = mapped_column(LargeBinary, default=b"")
    numbers: Mapped[bytes] = mapped_column(LargeBinary, default=b"", server_default=text("''"))
    counts: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)


class QuarantinedEvent(Base):
    """A row that was refused at the door for its content, kept readable with its reason."""

    __tablename__ = "quarantined_events"
    __table_args__ = (Index("ix_quarantined_events_model_name_id", "model_name", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    model_name: Mapped[str] = mapped_column(String(100))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    code: Mapped[str] = mapped_column(String(60))
    pointer: Mapped[str] = mapped_column(String(300), default="")
    message: Mapped[str] = mapped_column(Text)
    raw: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(String(200), default="")


class IngestionCount(Base):
    """Rows accepted, repeated and refused per model, minute and reason."""

    __tablename__ = "ingestion_counts"
    __table_args__ = (UniqueConstraint("model_name", "minute_at", "reason", name="uq_ingestion_counts_cell"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    model_name: Mapped[str] = mapped_column(String(100))
    minute_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    reason: Mapped[str] = mapped_column(String(60))
    n_events: Mapped[int] = mapped_column(BigInteger, default=0)


class IdempotencyKey(Base):
    """The answer that a request with this key got, so that a retry gets the same."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(300), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int] = mapped_column(Integer)
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, index=True)


class SchemaNotice(Base):
    """A change that callers made to a model's inputs: a new field, a field of another type, a field gone."""

    __tablename__ = "schema_notices"
    __table_args__ = (UniqueConstraint("model_id", "field", "change", name="uq_schema_notices_cell"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    field: Mapped[str] = mapped_column(String(200))
    change: Mapped[str] = mapped_column(String(30))
    details: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)
    n_events: Mapped[int] = mapped_column(BigInteger, default=0)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    acknowledged_by: Mapped[str | None] = mapped_column(String(200))

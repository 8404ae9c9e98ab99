"""Feedback on predictions, and what processes use of the machine."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Float, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, UtcDateTime, utc_now
from db.models.event_log import BigId


class Feedback(Base):
    """What became of a prediction, told later: the user searched again, clicked, overrode.

    `key` makes a repeat count once. `predicted_at` is null until the prediction is found; then its time, version and
    role are copied here and the signal is added to the roll-ups. `is_counted` marks the first signal of its name
    about a prediction: further ones are kept and do not raise the rate.
    """

    __tablename__ = "feedback"
    __table_args__ = (
        UniqueConstraint("model_id", "key", name="uq_feedback_key"),
        Index("ix_feedback_model_id_prediction_id", "model_id", "prediction_id"),
        Index("ix_feedback_model_id_predicted_at", "model_id", "predicted_at"),
        Index(
            "ix_feedback_waiting",
            "next_try_at",
            sqlite_where=text("predicted_at IS NULL"),
            postgresql_where=text("predicted_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    prediction_id: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(100))
    value: Mapped[float | None] = mapped_column(Float)
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    key: Mapped[str] = mapped_column(String(64))
    actor: Mapped[str] = mapped_column(String(200), default="")
    predicted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[str | None] = mapped_column(String(100))
    role: Mapped[str | None] = mapped_column(String(20))
    is_counted: Mapped[bool] = mapped_column(Boolean, default=False)
    n_tries: Mapped[int] = mapped_column(Integer, default=0)
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class ProcessSample(Base):
    """What one process used of its machine at a moment, and the queues that it knows. Null: it does not know.

    `process` is "<kind>@<host>" with kind api, worker or app. `cpu_share` is of one core, so it may exceed 1.
    `n_events` and `n_commits` count since the sample before; so does `n_shadow_drops`.
    """

    __tablename__ = "process_samples"
    __table_args__ = (Index("ix_process_samples_sampled_at", "sampled_at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    process: Mapped[str] = mapped_column(String(100))
    pid: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sampled_at: Mapped[datetime] = mapped_column(UtcDateTime)
    cpu_share: Mapped[float | None] = mapped_column(Float)
    rss_bytes: Mapped[int | None] = mapped_column(BigInteger)
    disk_free_bytes: Mapped[int | None] = mapped_column(BigInteger)
    disk_total_bytes: Mapped[int | None] = mapped_column(BigInteger)
    gpu_share: Mapped[float | None] = mapped_column(Float)
    gpu_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    n_commit_waiting: Mapped[int | None] = mapped_column(Integer)
    n_shadow_waiting: Mapped[int | None] = mapped_column(Integer)
    n_jobs_waiting: Mapped[int | None] = mapped_column(Integer)
    n_shadow_drops: Mapped[int | None] = mapped_column(Integer)
    n_events: Mapped[int | None] = mapped_column(BigInteger)
    n_commits: Mapped[int | None] = mapped_column(Integer)

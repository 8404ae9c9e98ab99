"""Review policies, what their budgets mean hour by hour, planted items, resolutions, and work given to others."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, JsonValue, UtcDateTime, new_id, utc_now


class ReviewPolicyVersion(Base):
    """A declared review policy; rows are never changed. In force from `created_at` until the next number's.

    `policy_id` is the id that tasks carry: it changes with any field of `fields` (review.rules.sampling.ReviewPolicy).
    """

    __tablename__ = "review_policies"
    __table_args__ = (UniqueConstraint("model_id", "number"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    policy_id: Mapped[str] = mapped_column(String(36))
    fields: Mapped[dict[str, Any]] = mapped_column(JsonValue)
    reason: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class ReviewRate(Base):
    """One hour of one budgeted stratum: the rate that was set before its items were known, and how many came."""

    __tablename__ = "review_rates"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    policy_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    stratum: Mapped[str] = mapped_column(String(100), primary_key=True)
    hour_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    rate: Mapped[float] = mapped_column(Float)
    n_seen: Mapped[int] = mapped_column(Integer, default=0)


class PlantedItem(Base):
    """A subject whose label is known, put before people to measure them. `kind`: gold or injected (a known defect)."""

    __tablename__ = "planted_items"
    __table_args__ = (UniqueConstraint("model_id", "subject_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    subject_id: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(10))
    label: Mapped[str] = mapped_column(String(200))
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Resolution(Base):
    """An item that people resolved, or whose resolution was taken back (`label` null). Written with its truth.

    `number` is given by a worker, one at a time and without gaps, so that who reads on from a number misses nothing.
    """

    __tablename__ = "resolutions"
    __table_args__ = (
        Index("uq_resolutions_number", "number", unique=True),
        Index("ix_resolutions_model_id_number", "model_id", "number"),
        Index(
            "ix_resolutions_unnumbered",
            "id",
            sqlite_where=text("number IS NULL"),
            postgresql_where=text("number IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    number: Mapped[int | None] = mapped_column(BigInteger)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    subject_id: Mapped[str] = mapped_column(String(200))
    event_id: Mapped[str | None] = mapped_column(String(200))
    truth_id: Mapped[str] = mapped_column(String(36))
    label: Mapped[str | None] = mapped_column(String(200))
    method: Mapped[str] = mapped_column(String(20))
    resolved_at: Mapped[datetime] = mapped_column(UtcDateTime)
    logged_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Reassignment(Base):
    """Items of a person whose agreement on planted items fell under the policy's limit, given to others.

    `items`: list of {"task_id", "decision_ids"}; the labels are no evidence while it stands. `reversed_at`: it was
    taken back.
    """

    __tablename__ = "reassignments"
    __table_args__ = (Index("ix_reassignments_model_id_created_at", "model_id", "created_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    judge: Mapped[str] = mapped_column(String(200))
    window_start: Mapped[datetime] = mapped_column(UtcDateTime)
    window_end: Mapped[datetime] = mapped_column(UtcDateTime)
    n_checks: Mapped[int] = mapped_column(Integer)
    n_agreed: Mapped[int] = mapped_column(Integer)
    min_agreement: Mapped[float] = mapped_column(Float)
    policy_id: Mapped[str] = mapped_column(String(36))
    items: Mapped[list[dict[str, Any]]] = mapped_column(JsonValue, default=list)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    reversed_by: Mapped[str | None] = mapped_column(String(200))
    reversed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

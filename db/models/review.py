"""Review tasks, what people decided, and the resolved truth."""

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
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, JsonValue, UtcDateTime, new_id, utc_now

#: A class, a number or a transcript. SQLite keeps no lengths, so its column need not be made anew.
AnswerText = String(200).with_variant(String(2000), "postgresql")


class ReviewTask(Base):
    """An item queued for people.

    `reason`: disagreement, low_confidence, null_output, drifted_bin, flagged, alert, random_audit, recall, pending (a
    caller waits for it), or planted to measure people: gold, repeat, injected. `assigned_to`: the only judge who may
    get it (a hidden repeat), null: anybody.
    `mode`: blind, assist, reveal or adjudicate. `state`: open, done, skipped. `pi` is the inclusion probability.
    `item` holds what the bench shows (artifact, golden sample, inputs); `answers` holds what the machine said and
    is never sent in blind mode.
    """

    __tablename__ = "review_tasks"
    __table_args__ = (
        UniqueConstraint("model_id", "subject_id", "mode", "policy_id", name="uq_review_tasks_item"),
        Index(
            "ix_review_tasks_claim",
            "model_id",
            "priority",
            "id",
            sqlite_where=text("state = 'open' AND mode <> 'adjudicate'"),
            postgresql_where=text("state = 'open' AND mode <> 'adjudicate'"),
        ),
        Index(
            "ix_review_tasks_adjudicate",
            "model_id",
            "priority",
            "id",
            sqlite_where=text("state = 'open' AND mode = 'adjudicate'"),
            postgresql_where=text("state = 'open' AND mode = 'adjudicate'"),
        ),
        Index(
            "ix_review_tasks_planted",
            "model_id",
            "reason",
            "subject_id",
            sqlite_where=text("reason IN ('gold', 'repeat', 'injected')"),
            postgresql_where=text("reason IN ('gold', 'repeat', 'injected')"),
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    subject_id: Mapped[str] = mapped_column(String(200))
    event_id: Mapped[str | None] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(String(20))
    stratum: Mapped[str] = mapped_column(String(100), default="")
    mode: Mapped[str] = mapped_column(String(12), default="blind")
    priority: Mapped[int] = mapped_column(Integer, default=100)
    pi: Mapped[float | None] = mapped_column(Float)
    policy_id: Mapped[str] = mapped_column(String(36), default="")
    seed: Mapped[int | None] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(10), default="open")
    n_wanted: Mapped[int] = mapped_column(Integer, default=1)
    n_decided: Mapped[int] = mapped_column(Integer, default=0)
    item: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)
    answers: Mapped[list[dict[str, Any]]] = mapped_column(JsonValue, default=list)
    segments: Mapped[dict[str, str]] = mapped_column(JsonValue, default=dict)
    lease_token: Mapped[str | None] = mapped_column(String(36))
    leased_to: Mapped[str | None] = mapped_column(String(36), index=True)
    assigned_to: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Decision(Base):
    """What a person or an outside predictor said about a subject, with what they had seen and how long it took.

    `judge` is "user:<id>", "person:<outside id>" or "predictor:<name>". `seen`: blind, assisted, revealed.
    A corrected or undone decision stays, with `superseded_by` set. `is_evidence` is false for labels that may not
    enter estimates (gold, repeats, injected defects, pi = 0). `is_planted`: the item measured the person (gold, repeat,
    injected); it is counted nowhere else. `skip_reason`: unclear, damaged, not_mine or other, where the verb is skip.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        Index("ix_decisions_model_id_decided_at", "model_id", "decided_at"),
        Index("ix_decisions_model_id_subject_id", "model_id", "subject_id"),
        Index("ix_decisions_judge_decided_at", "judge", "decided_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    subject_id: Mapped[str] = mapped_column(String(200))
    event_id: Mapped[str | None] = mapped_column(String(200))
    task_id: Mapped[str | None] = mapped_column(ForeignKey("review_tasks.id", ondelete="SET NULL"), index=True)
    judge: Mapped[str] = mapped_column(String(200))
    label: Mapped[str | None] = mapped_column(AnswerText)
    verb: Mapped[str] = mapped_column(String(10), default="label")
    seen: Mapped[str] = mapped_column(String(10), default="blind")
    is_adjudication: Mapped[bool] = mapped_column(Boolean, default=False)
    duration_ms: Mapped[int | None] = mapped_column(Integer)
    pi: Mapped[float | None] = mapped_column(Float)
    is_evidence: Mapped[bool] = mapped_column(Boolean, default=True)
    is_planted: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    comment: Mapped[str | None] = mapped_column(Text)
    skip_reason: Mapped[str | None] = mapped_column(String(20))
    boxes: Mapped[list[dict[str, Any]]] = mapped_column(JsonValue, default=list)
    details: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)
    idempotency_key: Mapped[str | None] = mapped_column(String(200), unique=True)
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    logged_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    superseded_by: Mapped[str | None] = mapped_column(String(36))
    superseded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class GroundTruth(Base):
    """The resolved label of a subject. Corrections are new rows; `is_current` marks the one in force.

    A row was in force from `logged_at` until `ended_at` (null: it still is), so what was known at any past moment can
    be told. `is_withdrawn`: it was taken back, not replaced; what it had replaced came into force again as a new row.
    """

    __tablename__ = "ground_truth"
    __table_args__ = (
        Index(
            "uq_ground_truth_current",
            "model_id",
            "subject_id",
            unique=True,
            sqlite_where=text("is_current = 1"),
            postgresql_where=text("is_current"),
        ),
        Index("ix_ground_truth_model_id_resolved_at", "model_id", "resolved_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    subject_id: Mapped[str] = mapped_column(String(200))
    label: Mapped[str] = mapped_column(AnswerText)
    method: Mapped[str] = mapped_column(String(20))
    resolved_by: Mapped[str] = mapped_column(String(200))
    details: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)
    resolved_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    logged_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    is_current: Mapped[bool] = mapped_column(Boolean, default=True)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_withdrawn: Mapped[bool] = mapped_column(Boolean, default=False)


class Subject(Base):
    """What is known about the thing judged: its artifact, its golden sample, and its latest answers per version."""

    __tablename__ = "subjects"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    subject_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    artifact_sha256: Mapped[str | None] = mapped_column(String(64))
    golden_sha256: Mapped[str | None] = mapped_column(String(64))
    segments: Mapped[dict[str, str]] = mapped_column(JsonValue, default=dict)
    details: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class TriageCursor(Base):
    """How far the event log of a model was looked through for subjects and review tasks."""

    __tablename__ = "triage_cursors"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    batch_id: Mapped[int] = mapped_column(BigInteger, default=0)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

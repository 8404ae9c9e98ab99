"""The automation ladder: declared policies, verdicts with what they were made of, people's blocks, and recalls."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, OptionalJson, UtcDateTime, utc_now


class AutomationPolicy(Base):
    """The gates of a model, or of one of its segments ("line=L1"; '' is the whole model). Rows are never changed: the
    newest of a model and segment is in force, and one without a document takes the policy away."""

    __tablename__ = "automation_policies"
    __table_args__ = (Index("ix_automation_policies_model_id_segment", "model_id", "segment", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    segment: Mapped[str] = mapped_column(String(320), default="")
    document: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)
    reason: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class AutomationVerdict(Base):
    """What a policy said about the evidence at a moment.

    `evidence`, `policy` and `verdict` are canonical JSON text, kept as they were hashed: `sha256` covers the three.
    `rollout_id` is the rollout that the verdict made, if any.
    """

    __tablename__ = "automation_verdicts"
    __table_args__ = (Index("ix_automation_verdicts_model_id_segment", "model_id", "segment", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    segment: Mapped[str] = mapped_column(String(320), default="")
    policy_id: Mapped[int] = mapped_column(ForeignKey("automation_policies.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    level: Mapped[str] = mapped_column(String(20))
    version: Mapped[str | None] = mapped_column(String(100))
    evidence: Mapped[str] = mapped_column(Text)
    policy: Mapped[str] = mapped_column(Text)
    verdict: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    rollout_id: Mapped[int | None] = mapped_column(ForeignKey("rollouts.id", ondelete="SET NULL"), index=True)
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AutomationBlock(Base):
    """A person holds a model, or one of its segments, where it is: nothing is promoted until `ended_at`."""

    __tablename__ = "automation_blocks"
    __table_args__ = (Index("ix_automation_blocks_model_id_segment", "model_id", "segment", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    segment: Mapped[str] = mapped_column(String(320), default="")
    reason: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    ended_by: Mapped[str | None] = mapped_column(String(200))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    end_reason: Mapped[str | None] = mapped_column(Text)


class Recall(Base):
    """Live answers of a version that was rolled back, opened as review tasks whose `policy_id` is "recall-<id>"."""

    __tablename__ = "recalls"
    __table_args__ = (Index("ix_recalls_model_id", "model_id", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    version: Mapped[str] = mapped_column(String(100))
    segment: Mapped[str] = mapped_column(String(320), default="")
    window_start: Mapped[datetime] = mapped_column(UtcDateTime)
    window_end: Mapped[datetime] = mapped_column(UtcDateTime)
    n_answers: Mapped[int] = mapped_column(Integer)
    n_opened: Mapped[int] = mapped_column(Integer)
    n_raised: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

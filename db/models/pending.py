"""Requests whose answer a person gives."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, JsonValue, OptionalJson, UtcDateTime, utc_now
from db.models.review import AnswerText


class PendingAnswer(Base):
    """A request that was answered "pending". Its id is that of the logged event; where no version was asked, its own.

    `level`: of the automation ladder, when it was asked. `version` and `machine`: who answered unseen, and what:
    {"prediction", "score", "scores"}. `fallback`: {"kind": "none|machine|label", "label"}, what holds from
    `deadline_at` on. `decided_by`: person, machine, label (both by fallback) or nobody, with `label` where there is
    one; null as long as it is pending.
    """

    __tablename__ = "pending_answers"
    __table_args__ = (Index("ix_pending_answers_asked_at", "asked_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    subject_id: Mapped[str] = mapped_column(String(200))
    request_id: Mapped[str] = mapped_column(String(200))
    level: Mapped[str] = mapped_column(String(20))
    version: Mapped[str | None] = mapped_column(String(100))
    machine: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)
    fallback: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    deadline_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by: Mapped[str | None] = mapped_column(String(10))
    label: Mapped[str | None] = mapped_column(AnswerText)

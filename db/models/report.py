"""Reports for people who do not sign in, and when they are made."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, JsonValue, UtcDateTime, new_id, utc_now


class ReportSchedule(Base):
    """When a model's report is made by itself: `weekday` (0 is Monday) at `hour` of the wall clock in `timezone`.

    `next_due_at` is the next such moment; whoever moves it on makes the report. `channel_id` names where finished
    reports are sent, or nothing.
    """

    __tablename__ = "report_schedules"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), index=True)
    weekday: Mapped[int] = mapped_column(Integer)
    hour: Mapped[int] = mapped_column(Integer)
    timezone: Mapped[str] = mapped_column(String(64))
    languages: Mapped[list[str]] = mapped_column(JsonValue)
    channel_id: Mapped[str | None] = mapped_column(String(36))
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    next_due_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    last_due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Report(Base):
    """One report of a model over [window_start, window_end), made by its job in each of `languages`.

    `verdict` is the model's state in it (ok, warning, bad, no_data) once it is made. A schedule makes at most one
    report for each moment it was due. `delivery`: none, handed_over (to the outbox), or no_channel when it is gone.
    """

    __tablename__ = "reports"
    __table_args__ = (UniqueConstraint("schedule_id", "due_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), index=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    schedule_id: Mapped[str | None] = mapped_column(ForeignKey("report_schedules.id", ondelete="SET NULL"))
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    window_start: Mapped[datetime] = mapped_column(UtcDateTime)
    window_end: Mapped[datetime] = mapped_column(UtcDateTime)
    timezone: Mapped[str] = mapped_column(String(64))
    languages: Mapped[list[str]] = mapped_column(JsonValue)
    channel_id: Mapped[str | None] = mapped_column(String(36))
    verdict: Mapped[str | None] = mapped_column(String(20))
    delivery: Mapped[str] = mapped_column(String(20), default="none")
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now, index=True)


class ReportFile(Base):
    """The HTML of one report in one language, compressed with gzip; `n_bytes` and `sha256` are of the plain HTML."""

    __tablename__ = "report_files"

    report_id: Mapped[str] = mapped_column(ForeignKey("reports.id", ondelete="CASCADE"), primary_key=True)
    language: Mapped[str] = mapped_column(String(5), primary_key=True)
    html_gzip: Mapped[bytes] = mapped_column(LargeBinary)
    n_bytes: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str] = mapped_column(String(64))

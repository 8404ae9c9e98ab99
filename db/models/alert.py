"""Alert rules, their states and incidents, silences, channels, and the outbox of messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, JsonValue, OptionalJson, UtcDateTime, new_id, utc_now


class AlertRule(Base):
    """What is watched, and when it is a reason to tell somebody. `model_id` null: every model.

    `each`: '' (one series), "version" or "segment:<key>" (one state per value). `condition` is read by
    backend.alerts.conditions. `evaluated_at` is the end of the last window looked at. `template` names the default
    rule that this one was made from.
    """

    __tablename__ = "alert_rules"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200))
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), index=True)
    measure: Mapped[str] = mapped_column(String(100))
    version: Mapped[str | None] = mapped_column(String(100))
    segment_key: Mapped[str | None] = mapped_column(String(100))
    segment_value: Mapped[str | None] = mapped_column(String(200))
    each: Mapped[str] = mapped_column(String(120), default="")
    window_s: Mapped[int] = mapped_column(Integer)
    every_s: Mapped[int] = mapped_column(Integer)
    offset_s: Mapped[int] = mapped_column(Integer)
    condition: Mapped[dict[str, Any]] = mapped_column(JsonValue)
    min_n: Mapped[int] = mapped_column(Integer)
    hold_s: Mapped[int] = mapped_column(Integer)
    clear_s: Mapped[int] = mapped_column(Integer)
    renotify_s: Mapped[int] = mapped_column(Integer)
    no_data: Mapped[str] = mapped_column(String(10))
    severity: Mapped[str] = mapped_column(String(10))
    channel_ids: Mapped[list[str] | None] = mapped_column(OptionalJson)
    is_enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    template: Mapped[str | None] = mapped_column(String(40))
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    evaluated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AlertDefaults(Base):
    """A model that was given the default rules once; deleted ones do not come back."""

    __tablename__ = "alert_defaults"

    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class AlertState(Base):
    """Where one series of a rule stands; `memory` is what the state machine keeps between two steps."""

    __tablename__ = "alert_states"

    rule_id: Mapped[str] = mapped_column(ForeignKey("alert_rules.id", ondelete="CASCADE"), primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True, index=True)
    series: Mapped[str] = mapped_column(String(300), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    value: Mapped[float | None] = mapped_column(Float)
    n: Mapped[float] = mapped_column(Float, default=0.0)
    reason: Mapped[str | None] = mapped_column(Text)
    memory: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)
    evaluated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AlertIncident(Base):
    """One firing of one series, from when it began to when it ended. Numbered within its series.

    `window_start` and `window_end` bound the rows behind its worst value (`peak`). `rule` is the rule as it was; the
    incident outlives it.
    `verdict` is what people found: true, false or benign. `end_reason`: well, rule_changed, rule_off, or gone.
    """

    __tablename__ = "alert_incidents"
    __table_args__ = (
        UniqueConstraint("rule_id", "model_id", "series", "number", name="uq_alert_incidents_number"),
        Index("ix_alert_incidents_model_id_opened_at", "model_id", "opened_at"),
        Index("ix_alert_incidents_closed_at", "closed_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    rule_id: Mapped[str] = mapped_column(String(36))
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    series: Mapped[str] = mapped_column(String(300))
    number: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(12), default="rule")
    state: Mapped[str] = mapped_column(String(10))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    end_reason: Mapped[str | None] = mapped_column(String(20))
    peak: Mapped[float | None] = mapped_column(Float)
    reference: Mapped[float | None] = mapped_column(Float)
    n: Mapped[float] = mapped_column(Float, default=0.0)
    window_start: Mapped[datetime] = mapped_column(UtcDateTime)
    window_end: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str | None] = mapped_column(Text)
    rule: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)
    acknowledged_by: Mapped[str | None] = mapped_column(String(200))
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    verdict: Mapped[str | None] = mapped_column(String(10))
    verdict_by: Mapped[str | None] = mapped_column(String(200))
    verdict_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    verdict_comment: Mapped[str | None] = mapped_column(Text)
    batch: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)


class AlertSilence(Base):
    """A stretch of time in which nothing is told of a rule, a model, or everything (both null)."""

    __tablename__ = "alert_silences"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    rule_id: Mapped[str | None] = mapped_column(ForeignKey("alert_rules.id", ondelete="CASCADE"))
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    reason: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class AlertWatch(Base):
    """One row: how the last evaluation went. `run_no` grows with every run and every change of a rule, so that of two
    workers that evaluate at once only one writes."""

    __tablename__ = "alert_watch"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, default=1)
    run_no: Mapped[int] = mapped_column(Integer, default=0)
    evaluated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    worker: Mapped[str | None] = mapped_column(String(200))
    n_rules: Mapped[int] = mapped_column(Integer, default=0)
    n_series: Mapped[int] = mapped_column(Integer, default=0)
    n_failed: Mapped[int] = mapped_column(Integer, default=0)
    duration_ms: Mapped[float] = mapped_column(Float, default=0.0)


class Channel(Base):
    """Where messages go: an Apprise address or a signed webhook. `target` is encrypted and never shown again;
    `shown` is what people may see of it. `models` null: alerts of all models; `min_severity` low, medium or high."""

    __tablename__ = "channels"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    kind: Mapped[str] = mapped_column(String(10))
    target: Mapped[str] = mapped_column(Text)
    shown: Mapped[str] = mapped_column(String(300))
    language: Mapped[str] = mapped_column(String(5))
    min_severity: Mapped[str] = mapped_column(String(10))
    models: Mapped[list[str] | None] = mapped_column(OptionalJson)
    is_enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class OutboxMessage(Base):
    """A message that must leave: written in the transaction of what it tells of, sent by a worker, kept until sent or
    given up. It goes to `channel_id`, or to `target` (encrypted as a channel's is) when it has none.

    `state`: waiting, sent or given_up. `dedupe_key` makes a message exist once, whoever writes it.
    """

    __tablename__ = "outbox_messages"
    __table_args__ = (
        Index("ix_outbox_messages_state_next_at", "state", "next_at"),
        Index("ix_outbox_messages_created_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    dedupe_key: Mapped[str] = mapped_column(String(300), unique=True)
    kind: Mapped[str] = mapped_column(String(40))
    channel_id: Mapped[str | None] = mapped_column(ForeignKey("channels.id", ondelete="CASCADE"), index=True)
    target: Mapped[str | None] = mapped_column(Text)
    model_name: Mapped[str | None] = mapped_column(String(100))
    payload: Mapped[dict[str, Any]] = mapped_column(JsonValue)
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    n_attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    give_up_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lease_token: Mapped[str | None] = mapped_column(String(36))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

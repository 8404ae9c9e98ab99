"""Pipelines: the steps that one trace goes through."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, JsonValue, UtcDateTime, new_id, utc_now


class Pipeline(Base):
    """A named chain of steps, such as voice activity detection -> recogniser.

    `mapping` says under which attributes an OpenTelemetry exporter sends what (backend.pipelines.mapping), and
    `services` which `service.name`s send spans of this pipeline; both are additions to the defaults.
    """

    __tablename__ = "pipelines"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    title: Mapped[dict[str, str]] = mapped_column(JsonValue, default=dict)
    services: Mapped[list[str]] = mapped_column(JsonValue, default=list)
    mapping: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class PipelineStep(Base):
    """One step of a pipeline: the model whose events with this step name belong to it, in the order of `position`."""

    __tablename__ = "pipeline_steps"
    __table_args__ = (UniqueConstraint("pipeline_id", "name"), UniqueConstraint("pipeline_id", "position"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    pipeline_id: Mapped[str] = mapped_column(ForeignKey("pipelines.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(String(100))
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), index=True)

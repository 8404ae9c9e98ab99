"""Models (decision problems), their versions, who answers whom, and the files they are made of."""

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
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, JsonValue, OptionalJson, UtcDateTime, new_id, utc_now


class Model(Base):
    """A named decision problem.

    `labels`: ordered list of {"name", "title": {"en","vi"}, "is_defect": bool, "key": digit}.
    `inputs`: list of {"name", "type": "number|integer|boolean|string|time", "required": bool,
    "minimum", "maximum", "categories"}. `null_outputs`: what counts as "no answer" beside None, e.g. ["", []].
    `output_kind` is label, number, text or json. `positive_labels` name the classes an inspector must not miss.
    `is_served` false: taken off serving, nobody gets an answer until it is put back.
    """

    __tablename__ = "models"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    title: Mapped[dict[str, str]] = mapped_column(JsonValue, default=dict)
    item_kind: Mapped[str] = mapped_column(String(10))
    output_kind: Mapped[str] = mapped_column(String(10), default="label")
    labels: Mapped[list[dict[str, Any]]] = mapped_column(JsonValue, default=list)
    inputs: Mapped[list[dict[str, Any]]] = mapped_column(JsonValue, default=list)
    metrics: Mapped[list[str]] = mapped_column(JsonValue, default=list)
    segment_keys: Mapped[list[str]] = mapped_column(JsonValue, default=list)
    null_outputs: Mapped[list[Any]] = mapped_column(JsonValue, default=list)
    is_schema_locked: Mapped[bool] = mapped_column(Boolean, default=False)
    is_served: Mapped[bool] = mapped_column(Boolean, default=True, server_default=true())
    schema_version: Mapped[int] = mapped_column(Integer, default=1)
    settings: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class ModelVersion(Base):
    """One artifact or endpoint that answers for a model. `kind`: torchscript, pt2 (in our memory), oip, tfserving,
    torchserve, json (elsewhere, by the upstream of its signature), external (only logs) or human (people answer)."""

    __tablename__ = "model_versions"
    __table_args__ = (UniqueConstraint("model_id", "name"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    artifact_sha256: Mapped[str | None] = mapped_column(ForeignKey("artifacts.sha256"))
    signature: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)
    metrics: Mapped[dict[str, Any]] = mapped_column(JsonValue, default=dict)
    notes: Mapped[str] = mapped_column(Text, default="")
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("model_versions.id"))
    dataset_id: Mapped[str | None] = mapped_column(String(36))
    retraining_run_id: Mapped[str | None] = mapped_column(String(36))
    created_by: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Rollout(Base):
    """Who answers for a model from `created_at` on. Rows are never changed: the newest one is in force.

    `challengers`: list of {"version", "mode": "shadow|canary|ab", "share", "segments", "parts"}; review.rules.shares
    says which parts of the traffic a canary or A/B challenger holds. `sticky_key`: the segment by whose value requests
    are given to versions, instead of by their subject.
    `automation` stands beside the level: {"acceptance": {"threshold", "limit", ...} or null, "segments": [{"segment":
    "line=L1", "level", "acceptance"}]}; review.rules.levels reads it. Rows made by
    a declared policy have `created_by` "policy:<id>".
    """

    __tablename__ = "rollouts"
    __table_args__ = (Index("ix_rollouts_model_id_id", "model_id", "id"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    champion: Mapped[str | None] = mapped_column(String(100))
    challengers: Mapped[list[dict[str, Any]]] = mapped_column(JsonValue, default=list)
    automation_level: Mapped[str] = mapped_column(String(20), default="shadow")
    automation: Mapped[dict[str, Any] | None] = mapped_column(OptionalJson)
    sticky_key: Mapped[str | None] = mapped_column(String(100))
    reason: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Artifact(Base):
    """A stored file, named by the SHA-256 of its bytes: an image, a sound, a text or a model file.

    `measures` are numbers that the worker took from it (brightness, volume_dbfs, ...), or {"error": why not}.
    """

    __tablename__ = "artifacts"
    __table_args__ = (
        Index(
            "ix_artifacts_unmeasured",
            "created_at",
            sqlite_where=text("measured_at IS NULL AND kind <> 'model'"),
            postgresql_where=text("measured_at IS NULL AND kind <> 'model'"),
        ),
    )

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    media_type: Mapped[str] = mapped_column(String(100))
    n_bytes: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    duration_s: Mapped[float | None] = mapped_column(Float)
    has_thumbnail: Mapped[bool] = mapped_column(Boolean, default=False)
    measures: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    measured_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_by: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

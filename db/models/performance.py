"""Embeddings of media and texts: the vectors that drift of pictures, sounds and texts is tested on."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, UtcDateTime, new_id, utc_now


class Embedding(Base):
    """One item as a vector under one encoder, at the time of its prediction.

    `encoder` is the caller's own name, or "soi:<kind>-<n>" for ours; vectors of different encoders are never mixed.
    `item_key` is the event id, or "artifact:<sha256>" where the vector was sent for a file. `vector` holds
    little-endian float32.
    """

    __tablename__ = "embeddings"
    __table_args__ = (
        UniqueConstraint("model_id", "encoder", "item_key", name="uq_embeddings_item"),
        Index("ix_embeddings_model_id_encoder_happened_at", "model_id", "encoder", "happened_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    encoder: Mapped[str] = mapped_column(String(100))
    item_key: Mapped[str] = mapped_column(String(300))
    event_id: Mapped[str | None] = mapped_column(String(200))
    artifact_sha256: Mapped[str | None] = mapped_column(String(64))
    version: Mapped[str | None] = mapped_column(String(100))
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    n_dims: Mapped[int] = mapped_column(Integer)
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)

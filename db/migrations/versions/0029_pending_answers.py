"""requests whose answer a person gives: who waits for what, until when, and what came of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.base import JsonValue, OptionalJson, UtcDateTime

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pending_answers",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("model_id", sa.String(36), sa.ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
        sa.Column("subject_id", sa.String(200), nullable=False),
        sa.Column("request_id", sa.String(200), nullable=False),
        sa.Column("level", sa.String(20), nullable=False),
        sa.Column("version", sa.String(100)),
        sa.Column("machine", OptionalJson),
        sa.Column("fallback", JsonValue, nullable=False),
        sa.Column("asked_at", UtcDateTime, nullable=False),
        sa.Column("deadline_at", UtcDateTime),
        sa.Column("answered_at", UtcDateTime),
        sa.Column("decided_by", sa.String(10)),
        sa.Column("label", sa.String(200).with_variant(sa.String(2000), "postgresql")),
    )
    op.create_index("ix_pending_answers_asked_at", "pending_answers", ["asked_at"])


def downgrade() -> None:
    op.drop_table("pending_answers")

"""review policies, planted items, resolutions and reassignments."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from db.base import JsonValue, UtcDateTime

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def _model(table: str) -> list[Any]:
    key = sa.ForeignKeyConstraint(
        ["model_id"], ["models.id"], name=op.f(f"fk_{table}_model_id_models"), ondelete="CASCADE"
    )
    return [sa.Column("model_id", sa.String(length=36), nullable=False), key]


def upgrade() -> None:
    op.create_table(
        "review_policies",
        sa.Column("id", sa.String(length=36), nullable=False),
        *_model("review_policies"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("policy_id", sa.String(length=36), nullable=False),
        sa.Column("fields", JsonValue, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_policies")),
        sa.UniqueConstraint("model_id", "number", name=op.f("uq_review_policies_model_id_number")),
    )
    op.create_table(
        "review_rates",
        *_model("review_rates"),
        sa.Column("policy_id", sa.String(length=36), nullable=False),
        sa.Column("stratum", sa.String(length=100), nullable=False),
        sa.Column("hour_at", UtcDateTime(), nullable=False),
        sa.Column("rate", sa.Float(), nullable=False),
        sa.Column("n_seen", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("model_id", "policy_id", "stratum", "hour_at", name=op.f("pk_review_rates")),
    )
    op.create_table(
        "planted_items",
        sa.Column("id", sa.String(length=36), nullable=False),
        *_model("planted_items"),
        sa.Column("subject_id", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_planted_items")),
        sa.UniqueConstraint("model_id", "subject_id", name=op.f("uq_planted_items_model_id_subject_id")),
    )
    op.create_table(
        "resolutions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        *_model("resolutions"),
        sa.Column("subject_id", sa.String(length=200), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=True),
        sa.Column("truth_id", sa.String(length=36), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=True),
        sa.Column("method", sa.String(length=20), nullable=False),
        sa.Column("resolved_at", UtcDateTime(), nullable=False),
        sa.Column("logged_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resolutions")),
    )
    op.create_index("uq_resolutions_number", "resolutions", ["number"], unique=True)
    op.create_index("ix_resolutions_model_id_number", "resolutions", ["model_id", "number"])
    unnumbered = sa.text("number IS NULL")
    op.create_index(
        "ix_resolutions_unnumbered", "resolutions", ["id"], sqlite_where=unnumbered, postgresql_where=unnumbered
    )
    op.create_table(
        "reassignments",
        sa.Column("id", sa.String(length=36), nullable=False),
        *_model("reassignments"),
        sa.Column("judge", sa.String(length=200), nullable=False),
        sa.Column("window_start", UtcDateTime(), nullable=False),
        sa.Column("window_end", UtcDateTime(), nullable=False),
        sa.Column("n_checks", sa.Integer(), nullable=False),
        sa.Column("n_agreed", sa.Integer(), nullable=False),
        sa.Column("min_agreement", sa.Float(), nullable=False),
        sa.Column("policy_id", sa.String(length=36), nullable=False),
        sa.Column("items", JsonValue, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("reversed_by", sa.String(length=200), nullable=True),
        sa.Column("reversed_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reassignments")),
    )
    op.create_index("ix_reassignments_model_id_created_at", "reassignments", ["model_id", "created_at"])
    op.add_column("review_tasks", sa.Column("assigned_to", sa.String(length=200), nullable=True))
    op.add_column("decisions", sa.Column("is_planted", sa.Boolean(), nullable=False, server_default=sa.false()))
    kinds = sa.text("reason IN ('gold', 'repeat', 'injected')")
    op.create_index(
        "ix_review_tasks_planted",
        "review_tasks",
        ["model_id", "reason", "subject_id"],
        sqlite_where=kinds,
        postgresql_where=kinds,
    )
    planted = "SELECT id FROM review_tasks WHERE reason IN ('gold', 'repeat', 'injected')"
    op.execute(f"UPDATE decisions SET is_planted = true WHERE task_id IN ({planted})")


def downgrade() -> None:
    op.drop_index("ix_review_tasks_planted", "review_tasks")
    op.drop_column("decisions", "is_planted")
    op.drop_column("review_tasks", "assigned_to")
    for table in ("reassignments", "resolutions", "planted_items", "review_rates", "review_policies"):
        op.drop_table(table)

"""drift references and feature counts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.base import JsonValue, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drift_references",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("n_rows", sa.BigInteger(), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.Column("sample", sa.LargeBinary(), nullable=False),
        sa.Column("facts", JsonValue, nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("lake_version", sa.BigInteger(), nullable=True),
        sa.Column("n_files", sa.Integer(), nullable=False),
        sa.Column("n_files_done", sa.Integer(), nullable=False),
        sa.Column("counted_from_at", UtcDateTime(), nullable=True),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_drift_references_model_id_models"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drift_references")),
        sa.UniqueConstraint("model_id", "number", name=op.f("uq_drift_references_model_id_number")),
    )
    op.create_table(
        "feature_counts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("reference_id", sa.String(length=36), nullable=False),
        sa.Column("grain_s", sa.Integer(), nullable=False),
        sa.Column("bucket_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("segment_key", sa.String(length=100), nullable=False),
        sa.Column("segment_value", sa.String(length=200), nullable=False),
        sa.Column("n_events", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reference_id"],
            ["drift_references.id"],
            name=op.f("fk_feature_counts_reference_id_drift_references"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_counts")),
        sa.UniqueConstraint(
            "reference_id",
            "grain_s",
            "bucket_at",
            "version",
            "role",
            "segment_key",
            "segment_value",
            name="uq_feature_counts_cell",
        ),
    )
    op.create_index(
        "ix_feature_counts_window",
        "feature_counts",
        ["reference_id", "grain_s", "segment_key", "bucket_at"],
    )


def downgrade() -> None:
    op.drop_index("ix_feature_counts_window", table_name="feature_counts")
    op.drop_table("feature_counts")
    op.drop_table("drift_references")

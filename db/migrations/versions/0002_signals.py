"""feedback signals, samples of processes, measures of artifacts, numbers in roll-ups."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.base import JsonValue, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_WAITING = "predicted_at IS NULL"
_UNMEASURED = "measured_at IS NULL AND kind <> 'model'"


def upgrade() -> None:
    op.add_column("rollups", sa.Column("numbers", sa.LargeBinary(), nullable=False, server_default=sa.text("''")))
    op.add_column("artifacts", sa.Column("measures", JsonValue, nullable=True))
    op.add_column("artifacts", sa.Column("measured_at", UtcDateTime(), nullable=True))
    op.create_index(
        "ix_artifacts_unmeasured",
        "artifacts",
        ["created_at"],
        sqlite_where=sa.text(_UNMEASURED),
        postgresql_where=sa.text(_UNMEASURED),
    )
    op.create_table(
        "feedback",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("prediction_id", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("happened_at", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("predicted_at", UtcDateTime(), nullable=True),
        sa.Column("version", sa.String(length=100), nullable=True),
        sa.Column("role", sa.String(length=20), nullable=True),
        sa.Column("is_counted", sa.Boolean(), nullable=False),
        sa.Column("n_tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_feedback_model_id_models"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("model_id", "key", name="uq_feedback_key"),
    )
    op.create_index("ix_feedback_model_id_prediction_id", "feedback", ["model_id", "prediction_id"])
    op.create_index("ix_feedback_model_id_predicted_at", "feedback", ["model_id", "predicted_at"])
    op.create_index(
        "ix_feedback_waiting",
        "feedback",
        ["next_try_at"],
        sqlite_where=sa.text(_WAITING),
        postgresql_where=sa.text(_WAITING),
    )
    op.create_table(
        "process_samples",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("process", sa.String(length=100), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("sampled_at", UtcDateTime(), nullable=False),
        sa.Column("cpu_share", sa.Float(), nullable=True),
        sa.Column("rss_bytes", sa.BigInteger(), nullable=True),
        sa.Column("disk_free_bytes", sa.BigInteger(), nullable=True),
        sa.Column("disk_total_bytes", sa.BigInteger(), nullable=True),
        sa.Column("gpu_share", sa.Float(), nullable=True),
        sa.Column("gpu_memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("n_commit_waiting", sa.Integer(), nullable=True),
        sa.Column("n_shadow_waiting", sa.Integer(), nullable=True),
        sa.Column("n_jobs_waiting", sa.Integer(), nullable=True),
        sa.Column("n_shadow_drops", sa.Integer(), nullable=True),
        sa.Column("n_events", sa.BigInteger(), nullable=True),
        sa.Column("n_commits", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_process_samples")),
    )
    op.create_index("ix_process_samples_sampled_at", "process_samples", ["sampled_at"])


def downgrade() -> None:
    op.drop_table("process_samples")
    op.drop_table("feedback")
    op.drop_index("ix_artifacts_unmeasured", "artifacts")
    op.drop_column("artifacts", "measured_at")
    op.drop_column("artifacts", "measures")
    op.drop_column("rollups", "numbers")

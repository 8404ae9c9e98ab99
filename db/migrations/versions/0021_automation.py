"""the automation ladder: policies, verdicts, blocks, recalls, and what a rollout stores beside its level."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from db.base import OptionalJson, UtcDateTime

revision = "0021"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLES = ("automation_policies", "automation_verdicts", "automation_blocks", "recalls")


def _common(table: str) -> list[Any]:
    return [
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("segment", sa.String(length=320), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f(f"fk_{table}_model_id_models"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def _made() -> list[Any]:
    return [
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
    ]


def upgrade() -> None:
    op.add_column("rollouts", sa.Column("automation", OptionalJson, nullable=True))
    op.create_table(
        "automation_policies",
        *_common("automation_policies"),
        sa.Column("document", OptionalJson, nullable=True),
        *_made(),
    )
    op.create_table(
        "automation_verdicts",
        *_common("automation_verdicts"),
        sa.Column("policy_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("rollout_id", sa.Integer(), nullable=True),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["policy_id"],
            ["automation_policies.id"],
            name=op.f("fk_automation_verdicts_policy_id_automation_policies"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["rollout_id"],
            ["rollouts.id"],
            name=op.f("fk_automation_verdicts_rollout_id_rollouts"),
            ondelete="SET NULL",
        ),
    )
    op.create_table(
        "automation_blocks",
        *_common("automation_blocks"),
        *_made(),
        sa.Column("ended_by", sa.String(length=200), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
    )
    op.create_table(
        "recalls",
        *_common("recalls"),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("window_start", UtcDateTime(), nullable=False),
        sa.Column("window_end", UtcDateTime(), nullable=False),
        sa.Column("n_answers", sa.Integer(), nullable=False),
        sa.Column("n_opened", sa.Integer(), nullable=False),
        sa.Column("n_raised", sa.Integer(), nullable=False),
        *_made(),
    )
    for table in _TABLES[:3]:
        op.create_index(f"ix_{table}_model_id_segment", table, ["model_id", "segment", "id"])
    op.create_index("ix_recalls_model_id", "recalls", ["model_id", "id"])
    for column in ("policy_id", "rollout_id"):
        op.create_index(f"ix_automation_verdicts_{column}", "automation_verdicts", [column])


def downgrade() -> None:
    op.drop_table("automation_verdicts")
    for table in ("recalls", "automation_blocks", "automation_policies"):
        op.drop_table(table)
    op.drop_column("rollouts", "automation")

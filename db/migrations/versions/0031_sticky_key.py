"""a rollout may give requests to versions by the value of a segment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rollouts", sa.Column("sticky_key", sa.String(100)))


def downgrade() -> None:
    op.drop_column("rollouts", "sticky_key")

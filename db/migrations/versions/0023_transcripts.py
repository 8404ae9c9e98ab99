"""answers may be transcripts of up to 2,000 letters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_COLUMNS = (("decisions", True), ("ground_truth", False))


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return  # SQLite keeps no lengths
    for table, is_nullable in _COLUMNS:
        op.alter_column(
            table, "label", existing_type=sa.String(200), type_=sa.String(2000), existing_nullable=is_nullable
        )


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, is_nullable in _COLUMNS:
        op.alter_column(
            table,
            "label",
            existing_type=sa.String(2000),
            type_=sa.String(200),
            existing_nullable=is_nullable,
            postgresql_using="left(label, 200)",
        )

"""a seal names its last batch; batches no longer name their seal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_DONE = "(SELECT max(s.last_batch_id) FROM seals s WHERE s.model_id = event_batches.model_id AND s.state = 'done')"


def upgrade() -> None:
    op.add_column("seals", sa.Column("last_batch_id", _ID, nullable=True))
    claimed = "SELECT max(b.id) FROM event_batches b WHERE b.sealed_in = seals.id"
    op.execute(f"UPDATE seals SET last_batch_id = ({claimed}) WHERE state = 'claimed'")
    op.drop_column("event_batches", "sealed_in")


def downgrade() -> None:
    op.execute(f"DELETE FROM event_batches WHERE id <= {_DONE}")
    op.add_column("event_batches", sa.Column("sealed_in", _ID, nullable=True))
    open_seal = "SELECT s.id FROM seals s WHERE s.state = 'claimed' AND s.last_batch_id = event_batches.id"
    op.execute(f"UPDATE event_batches SET sealed_in = ({open_seal})")
    op.drop_column("seals", "last_batch_id")

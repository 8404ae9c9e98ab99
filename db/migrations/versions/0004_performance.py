"""performance over time and embeddings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime, utc_now

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decisions", sa.Column("superseded_at", UtcDateTime(), nullable=True))
    op.add_column("ground_truth", sa.Column("ended_at", UtcDateTime(), nullable=True))
    op.add_column("ground_truth", sa.Column("is_withdrawn", sa.Boolean(), nullable=False, server_default=sa.false()))
    _date_what_ended()
    op.create_table(
        "embeddings",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("encoder", sa.String(length=100), nullable=False),
        sa.Column("item_key", sa.String(length=300), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=True),
        sa.Column("artifact_sha256", sa.String(length=64), nullable=True),
        sa.Column("version", sa.String(length=100), nullable=True),
        sa.Column("happened_at", UtcDateTime(), nullable=False),
        sa.Column("n_dims", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_embeddings_model_id_models"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_embeddings")),
        sa.UniqueConstraint("model_id", "encoder", "item_key", name="uq_embeddings_item"),
    )
    op.create_index(
        "ix_embeddings_model_id_encoder_happened_at", "embeddings", ["model_id", "encoder", "happened_at"], unique=False
    )


def downgrade() -> None:
    op.drop_table("embeddings")
    op.drop_column("ground_truth", "is_withdrawn")
    op.drop_column("ground_truth", "ended_at")
    op.drop_column("decisions", "superseded_at")


def _date_what_ended() -> None:
    """Replaced truths ended when the next of their subject was logged; for taken back ones only today is known."""
    connection = op.get_bind()
    truth = sa.table(
        "ground_truth",
        *(sa.column(name) for name in ("id", "model_id", "subject_id", "is_current", "is_withdrawn")),
        sa.column("logged_at", UtcDateTime()),
        sa.column("ended_at", UtcDateTime()),
    )
    later = truth.alias("later")
    following = (
        sa.select(sa.func.min(later.c.logged_at))
        .where(later.c.model_id == truth.c.model_id, later.c.subject_id == truth.c.subject_id)
        .where(later.c.logged_at > truth.c.logged_at)
        .scalar_subquery()
    )
    connection.execute(truth.update().where(truth.c.is_current == sa.false()).values(ended_at=following))
    rest = sa.and_(truth.c.is_current == sa.false(), truth.c.ended_at.is_(None))
    connection.execute(truth.update().where(rest).values(ended_at=utc_now(), is_withdrawn=sa.true()))
    taken_back = sa.select(sa.func.count()).select_from(truth).where(rest)
    assert connection.execute(taken_back).scalar_one() == 0
    decision = sa.table(
        "decisions", *(sa.column(name) for name in ("id", "superseded_by")), sa.column("superseded_at", UtcDateTime()),
        sa.column("logged_at", UtcDateTime()),
    )  # fmt: skip
    by = decision.alias("successor")
    when = sa.select(by.c.logged_at).where(by.c.id == decision.c.superseded_by).scalar_subquery()
    is_superseded = decision.c.superseded_by.is_not(None)
    connection.execute(
        decision.update().where(is_superseded).values(superseded_at=sa.func.coalesce(when, decision.c.logged_at))
    )

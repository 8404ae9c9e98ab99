"""why an item was skipped, in a column of its own; until now its words stood in front of the comment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0023"
branch_labels = None
depends_on = None

#: What the bench had written in front of comments, in both languages. The first of each goes back on a downgrade.
_WORDS = {
    "unclear": (
        "The item does not say enough",
        "The picture does not show enough",
        "Mẫu không đủ rõ",
        "Ảnh không đủ rõ",
    ),
    "damaged": (
        "Item missing, wrong or damaged",
        "Picture missing, wrong or damaged",
        "Mẫu thiếu, sai hoặc hỏng",
        "Ảnh thiếu, sai hoặc hỏng",
    ),
    "not_mine": ("Not my field", "Không thuộc chuyên môn của tôi"),
    "other": ("Another reason", "Lý do khác"),
}
_TABLE = sa.table(
    "decisions",
    sa.column("verb", sa.String),
    sa.column("comment", sa.Text),
    sa.column("skip_reason", sa.String),
)


def upgrade() -> None:
    op.add_column("decisions", sa.Column("skip_reason", sa.String(length=20), nullable=True))
    comment = _TABLE.c.comment
    for reason, known in _WORDS.items():
        for words in known:
            skips = sa.update(_TABLE).where(_TABLE.c.verb == "skip")
            op.execute(skips.where(comment == words).values(skip_reason=reason, comment=None))
            begins = sa.func.substr(comment, 1, len(words) + 2) == f"{words}: "
            op.execute(skips.where(begins).values(skip_reason=reason, comment=sa.func.substr(comment, len(words) + 3)))


def downgrade() -> None:
    comment = _TABLE.c.comment
    for reason, known in _WORDS.items():
        skips = sa.update(_TABLE).where(_TABLE.c.verb == "skip", _TABLE.c.skip_reason == reason)
        op.execute(skips.values(comment=sa.literal(known[0]) + sa.func.coalesce(sa.literal(": ") + comment, "")))
    op.drop_column("decisions", "skip_reason")

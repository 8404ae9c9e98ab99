"""The one-time token of the first admin: at most one row."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.base import utc_now
from db.models.person import BootstrapToken


def replace_token(session: Session, token_hash: str) -> None:
    """Make this the only token; an older unused one stops working."""
    row = session.get(BootstrapToken, 1, with_for_update=True)
    if row is None:
        session.add(BootstrapToken(id=1, token_hash=token_hash))
    else:
        row.token_hash, row.created_at, row.used_at = token_hash, utc_now(), None
    session.flush()


def lock_token(session: Session) -> BootstrapToken | None:
    """The token row, locked until commit, so that it is used once even by requests at the same moment."""
    return session.scalars(select(BootstrapToken).where(BootstrapToken.id == 1).with_for_update()).one_or_none()


def get_token(session: Session) -> BootstrapToken | None:
    return session.get(BootstrapToken, 1)

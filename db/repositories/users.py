"""People who sign in: look up, add, count admins."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models.person import User


def get_user(session: Session, user_id: str) -> User | None:
    return session.get(User, user_id)


def find_by_email(session: Session, email: str) -> User | None:
    return session.scalars(select(User).where(User.email == email)).one_or_none()


def list_users(session: Session, *, limit: int = 100, offset: int = 0) -> list[User]:
    """People ordered by name, then id."""
    return list(session.scalars(select(User).order_by(User.name, User.id).limit(limit).offset(offset)))


def names_of(session: Session, user_ids: Iterable[str]) -> dict[str, str]:
    """Display names by id, for screens that show who did something without showing an e-mail address."""
    wanted = list(set(user_ids))
    rows = session.execute(select(User.id, User.name).where(User.id.in_(wanted)))
    return {row.id: row.name for row in rows}


def has_users(session: Session) -> bool:
    return session.scalars(select(User.id).limit(1)).first() is not None


def count_users(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(User)) or 0


def lock_active_admins(session: Session) -> list[str]:
    """Ids of all active admins, locked until commit so that two requests cannot each remove one of the last two."""
    query = select(User.id).where(User.role == "admin", User.is_active).order_by(User.id).with_for_update()
    return list(session.scalars(query))


def add_user(session: Session, user: User) -> User:
    session.add(user)
    session.flush()
    return user

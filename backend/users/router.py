"""People over HTTP, for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from backend.deps import Me, Reader, Soi, Writer, guarded_router
from backend.users.schemas import PasswordReset, UserCreate, UserMade, UserPatch, UserRead
from backend.users.service import change_user, create_user, require_user, reset_password
from db.repositories import users

router = guarded_router("/v1/users", "people:manage")


@router.get("")
def list_users(
    session: Reader,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> list[UserRead]:
    """People by name."""
    return [UserRead.model_validate(user) for user in users.list_users(session, limit=limit, offset=offset)]


@router.post("", status_code=201)
def post_user(body: UserCreate, soi: Soi, me: Me) -> UserMade:
    """Add a person. Without a password one is made and shown once."""
    return create_user(soi.authenticator, me.actor, body)


@router.get("/{user_id}")
def get_user(user_id: str, session: Reader) -> UserRead:
    """One person."""
    return UserRead.model_validate(require_user(session, user_id))


@router.patch("/{user_id}")
def patch_user(user_id: str, body: UserPatch, session: Writer, soi: Soi, me: Me) -> UserRead:
    """Change a person's name or role, or deactivate them: their sessions end at once."""
    return UserRead.model_validate(change_user(soi.authenticator, me, session, user_id, body))


@router.post("/{user_id}/password")
def post_password(user_id: str, body: PasswordReset, soi: Soi, me: Me) -> UserMade:
    """Give a person a new password; all their sessions end."""
    return reset_password(soi.authenticator, me, user_id, body.password)

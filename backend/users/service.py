"""Adding and changing people. There is always an active admin, and a deactivated person is out at once."""

from __future__ import annotations

from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.auth.passwords import check_new_password
from backend.auth.rules import Principal
from backend.auth.service import Authenticator
from backend.auth.tokens import new_password
from backend.errors import Conflict, NotFound
from backend.users.schemas import UserCreate, UserMade, UserPatch, UserRead
from db.engine import WriteSession
from db.models.person import User
from db.repositories import audit, user_sessions, users


def create_user(auth: Authenticator, actor: str, wish: UserCreate) -> UserMade:
    """Add a person; Conflict when the e-mail address is taken. The slow hash is made outside the transaction."""
    password, shown = _choose_password(wish.password, wish.email, wish.name)
    password_hash = auth.passwords.hash(password)
    with auth.database.write() as session:
        if users.find_by_email(session, wish.email) is not None:
            raise _taken()
        user = User(**wish.model_dump(exclude={"password"}), password_hash=password_hash)
        try:
            users.add_user(session, user)
        except IntegrityError as error:
            raise _taken() from error
        audit.record(session, actor, "user.created", f"user:{user.id}", {"role": user.role})
        return UserMade(**UserRead.model_validate(user).model_dump(), initial_password=shown)


def change_user(auth: Authenticator, me: Principal, session: WriteSession, user_id: str, patch: UserPatch) -> User:
    """Change name, role or whether the person may sign in; Conflict for the last active admin."""
    admins = users.lock_active_admins(session)
    user = require_user(session, user_id)
    changed = {
        key: value
        for key, value in patch.model_dump(exclude_unset=True).items()
        if value is not None and getattr(user, key) != value
    }
    if not changed:
        return user
    stays_admin = changed.get("role", user.role) == "admin" and changed.get("is_active", user.is_active)
    if admins == [user.id] and not stays_admin:
        raise Conflict("this is the last admin: make another one first", code="last_admin")
    before = {key: getattr(user, key) for key in changed if key != "name"}
    for key, value in changed.items():
        setattr(user, key, value)
    if not user.is_active:
        user_sessions.delete_sessions_of(session, user.id)
    session.flush()
    details = {"before": before, "after": {key: changed[key] for key in before}}
    audit.record(session, me.actor, "user.changed", f"user:{user.id}", details)
    auth.forget_after(session)
    return user


def reset_password(auth: Authenticator, me: Principal, user_id: str, given: SecretStr | None) -> UserMade:
    """Give a person a new password and end all their sessions."""
    with auth.database.read() as session:
        user = require_user(session, user_id)
    password, shown = _choose_password(given, user.email, user.name)
    password_hash = auth.passwords.hash(password)
    with auth.database.write() as session:
        user = require_user(session, user_id)
        user.password_hash = password_hash
        user_sessions.delete_sessions_of(session, user.id)
        session.flush()
        audit.record(session, me.actor, "user.password_reset", f"user:{user.id}")
        auth.forget_after(session)
        return UserMade(**UserRead.model_validate(user).model_dump(), initial_password=shown)


def require_user(session: Session, user_id: str) -> User:
    user = users.get_user(session, user_id)
    if user is None:
        raise NotFound("there is no such person")
    return user


def _choose_password(given: SecretStr | None, email: str, name: str) -> tuple[str, str | None]:
    if given is None:
        made = new_password()
        return made, made
    check_new_password(given.get_secret_value(), email, name)
    return given.get_secret_value(), None


def _taken() -> Conflict:
    return Conflict("somebody has this e-mail address already", code="email_taken")

"""Signing in and out, and changes to one's own account. Called by the auth router, in threads of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from backend.auth.passwords import check_new_password
from backend.auth.rules import PERMISSIONS, Principal
from backend.auth.schemas import Account, AccountPatch
from backend.auth.service import Authenticator, user_principal
from backend.auth.tokens import hash_token, new_session_token
from backend.errors import Invalid, NotAllowed, NotAuthenticated
from db.base import utc_now
from db.engine import WriteSession
from db.models.person import User, UserSession
from db.repositories import audit, user_sessions, users

_MAX_PREFERENCES = 200


@dataclass(frozen=True, slots=True)
class Visit:
    """Where a sign-in comes from."""

    address: str
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class NewSession:
    token: str
    expires_at: datetime
    user: User


def sign_in(auth: Authenticator, email: str, password: str, visit: Visit) -> NewSession:
    """A new session. Wrong address and wrong password look and take the same; every try is counted and audited."""
    email = email.strip().lower()
    auth.throttle.check(visit.address, email)
    with auth.database.read() as session:
        user = users.find_by_email(session, email) if email and "\x00" not in email else None
    fits = auth.passwords.verify(password, user.password_hash if user else None)
    if user is None or not fits or not user.is_active:
        with auth.database.write() as session:
            target = f"user:{user.id}" if user else "unknown account"
            audit.record(session, "anonymous", "login.refused", target, {"address": visit.address})
        raise NotAuthenticated("the e-mail address or the password is wrong", code="wrong_credentials")
    with auth.database.write() as session:
        return open_session(session, auth, user, visit)


def open_session(session: WriteSession, auth: Authenticator, user: User, visit: Visit) -> NewSession:
    """Write the session row and its audit line."""
    now = utc_now()
    user_sessions.delete_expired(session, now)
    token = new_session_token()
    expires_at = now + timedelta(hours=auth.settings.session_hours)
    row = UserSession(
        token_hash=hash_token(token),
        user_id=user.id,
        expires_at=expires_at,
        user_agent=(visit.user_agent or "")[:300].replace("\x00", "") or None,
    )
    user_sessions.add_session(session, row)
    audit.record(session, f"user:{user.id}", "login.accepted", f"user:{user.id}", {"address": visit.address})
    return NewSession(token, expires_at, user)


def sign_out(auth: Authenticator, me: Principal, token: str) -> None:
    """End this session; a key has none."""
    if me.kind != "user":
        return
    with auth.database.write() as session:
        user_sessions.delete_session(session, hash_token(token))
        audit.record(session, me.actor, "logout", me.actor)
    auth.forget()


def account_of(me: Principal, user: User | None) -> Account:
    """What `GET /v1/auth/me` answers."""
    permissions = sorted(name for name in PERMISSIONS if me.may(name))
    models = None if me.models is None else sorted(me.models)
    if user is None:
        return Account(kind=me.kind, id=me.id, name=me.name, permissions=permissions, models=models)
    return Account(
        kind="user",
        id=user.id,
        name=user.name,
        email=user.email,
        role=user.role,
        language=user.language,
        timezone=user.timezone,
        preferences=user.preferences,
        permissions=permissions,
    )


def own_account(user: User) -> Account:
    return account_of(user_principal(user), user)


def change_account(auth: Authenticator, me: Principal, patch: AccountPatch, token: str) -> Account:
    """Change one's own name, language, time zone, preferences or password (which ends all other sessions)."""
    if me.kind != "user":
        raise NotAllowed("a key has no account to change")
    new_hash = _new_password_hash(auth, me, patch)
    with auth.database.write() as session:
        user = session.get_one(User, me.id)
        for name in patch.model_fields_set & {"name", "language", "timezone"}:
            value = getattr(patch, name)
            if name == "name" and value is None:
                raise Invalid("a name cannot be empty")
            setattr(user, name, value)
        if patch.preferences is not None:
            user.preferences = merge_preferences(user.preferences, patch.preferences)
        if new_hash is not None:
            user.password_hash = new_hash
            user_sessions.delete_sessions_of(session, user.id, keep=hash_token(token))
            audit.record(session, me.actor, "user.password_changed", me.actor)
        auth.forget_after(session)
        session.flush()
        return own_account(user)


def merge_preferences(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Top-level merge; null removes.

    >>> merge_preferences({"a": 1, "b": 2}, {"a": None, "c": 3})
    {'b': 2, 'c': 3}
    """
    merged = {key: value for key, value in {**old, **new}.items() if value is not None}
    if len(merged) > _MAX_PREFERENCES:
        raise Invalid(f"at most {_MAX_PREFERENCES} preferences are kept")
    return merged


def _new_password_hash(auth: Authenticator, me: Principal, patch: AccountPatch) -> str | None:
    if patch.new_password is None:
        return None
    with auth.database.read() as session:
        user = session.get_one(User, me.id)
    auth.throttle.check("password", me.id)
    given = patch.current_password.get_secret_value() if patch.current_password else ""
    if not auth.passwords.verify(given, user.password_hash):
        raise Invalid("the current password is wrong", code="wrong_password")
    password = patch.new_password.get_secret_value()
    check_new_password(password, user.email, user.name)
    return auth.passwords.hash(password)

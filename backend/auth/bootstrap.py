"""The first admin: a one-time token printed at start, used up by the first person who signs up with it."""

from __future__ import annotations

import secrets

from backend.auth.passwords import check_new_password
from backend.auth.schemas import Bootstrap
from backend.auth.service import Authenticator
from backend.auth.sign_in import NewSession, Visit, open_session
from backend.auth.tokens import hash_token, new_bootstrap_token
from backend.errors import Conflict, NotAuthenticated
from backend.settings import Settings
from db.base import utc_now
from db.engine import Database
from db.models.person import User
from db.repositories import audit, bootstrap, users


def ensure_bootstrap_token(database: Database, settings: Settings) -> str | None:
    """The token to print at start: SOI_BOOTSTRAP_TOKEN or a new one; None when somebody can sign in already."""
    with database.read() as session:
        if users.has_users(session):
            return None
    given = settings.bootstrap_token.get_secret_value() if settings.bootstrap_token else ""
    token = given or new_bootstrap_token()
    with database.write() as session:
        if users.has_users(session):
            return None
        bootstrap.replace_token(session, hash_token(token))
    return token


def create_first_admin(auth: Authenticator, wish: Bootstrap, visit: Visit) -> NewSession:
    """Make the first admin and sign them in. 401 for a wrong or used token, 409 when people exist already."""
    auth.throttle.check(visit.address, "bootstrap")
    password = wish.password.get_secret_value()
    check_new_password(password, wish.email, wish.name)
    _check_token(auth, wish)
    password_hash = auth.passwords.hash(password)
    with auth.database.write() as session:
        row = bootstrap.lock_token(session)
        if users.has_users(session):
            raise Conflict("an account exists already: sign in", code="already_set_up")
        if row is None or row.used_at is not None:
            raise NotAuthenticated("the set-up token is wrong or used up", code="wrong_bootstrap_token")
        row.used_at = utc_now()
        user = User(email=wish.email, name=wish.name, role="admin", password_hash=password_hash, language=wish.language)
        users.add_user(session, user)
        audit.record(session, f"user:{user.id}", "user.bootstrapped", f"user:{user.id}", {"role": "admin"})
        return open_session(session, auth, user, visit)


def _check_token(auth: Authenticator, wish: Bootstrap) -> None:
    """Refuse a wrong token before the slow work, and write it down."""
    with auth.database.read() as session:
        if users.has_users(session):
            raise Conflict("an account exists already: sign in", code="already_set_up")
        row = bootstrap.get_token(session)
        stored = row.token_hash if row is not None and row.used_at is None else ""
    if secrets.compare_digest(stored, hash_token(wish.token.get_secret_value())):
        return
    with auth.database.write() as session:
        audit.record(session, "anonymous", "bootstrap.refused", "first admin")
    raise NotAuthenticated("the set-up token is wrong or used up", code="wrong_bootstrap_token")

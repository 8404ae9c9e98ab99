"""Who makes a request: bearer sessions, API keys and session cookies, looked up by hash and kept for a second."""

from __future__ import annotations

import threading
import time
from functools import partial

import anyio
from anyio.to_thread import run_sync
from cachetools import TTLCache
from sqlalchemy import event
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from backend.auth.origins import SAFE_METHODS, is_own_origin, trusted_origins
from backend.auth.passwords import Passwords
from backend.auth.rules import KEY_SCOPES, Principal
from backend.auth.throttle import Throttle
from backend.auth.tokens import KEY_PREFIX, hash_token, new_session_token
from backend.errors import NotAllowed
from backend.settings import Settings
from db.base import utc_now
from db.engine import Database
from db.models.person import ApiKey, User
from db.repositories import api_keys, user_sessions

COOKIE = "soi_session"
#: A principal is looked up at most once in this time, so the logging path costs no query per request.
CACHE_S = 1.0
_CACHE_SIZE = 10_000
#: Look-ups have threads of their own: slow handlers must not delay who-is-it.
_LOOKUP_THREADS = 8
_MAX_TOKEN_LENGTH = 200


class Authenticator:
    """Turns a request into a Principal. One per process."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self.passwords = Passwords()
        self.throttle = Throttle(settings.login_attempts_per_minute)
        self.trusted = trusted_origins(settings.public_url, settings.trusted_origins)
        self._known: TTLCache[str, Principal | None] = TTLCache(_CACHE_SIZE, CACHE_S)
        self._lent: dict[str, tuple[Principal, float]] = {}
        self._lock = threading.Lock()
        self._generation = 0
        self._limiter: anyio.CapacityLimiter | None = None

    async def authenticate(self, request: HTTPConnection) -> Principal | None:
        """The principal of a request or websocket, or None. Raises NotAllowed for a cookie sent by a foreign page."""
        token = token_of(request)
        if token is None:
            return None
        principal = await self.principal_of(token)
        if principal is not None and "authorization" not in request.headers:
            self.check_origin(request)
        return principal

    async def principal_of(self, token: str) -> Principal | None:
        """Whose token this is; None when it is unknown, expired or revoked."""
        if not token or len(token) > _MAX_TOKEN_LENGTH:
            return None
        hashed = hash_token(token)
        with self._lock:
            if hashed in self._known:
                return self._known[hashed]
            generation = self._generation
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_LOOKUP_THREADS)
        principal = await run_sync(partial(self._look_up, token, hashed), limiter=self._limiter)
        with self._lock:
            if generation == self._generation:
                self._known[hashed] = principal
        return principal

    def check_origin(self, request: HTTPConnection) -> None:
        """Refuse an unsafe request or a websocket that a page of another site makes with a person's cookie."""
        is_safe = request.scope["type"] == "http" and request.scope["method"] in SAFE_METHODS
        if is_safe or is_own_origin(request.headers.get("origin"), request.headers.get("host"), self.trusted):
            return
        raise NotAllowed("this request did not come from a page of this site", code="foreign_origin")

    def lend(self, principal: Principal, lifetime_s: float) -> str:
        """A token for work inside this very process, such as making a report: it is written nowhere, no other process
        knows it, and it ends with its time or the process."""
        token = new_session_token()
        with self._lock:
            self._lent[hash_token(token)] = (principal, time.monotonic() + lifetime_s)
        return token

    def forget(self) -> None:
        """Drop everything remembered, so that the next request of everybody is looked up anew."""
        with self._lock:
            self._generation += 1
            self._known.clear()

    def forget_after(self, session: Session) -> None:
        """Forget when this transaction is committed: a revoked key stops working with the next request."""
        event.listen(session, "after_commit", lambda _: self.forget(), once=True)

    def _look_up(self, token: str, hashed: str) -> Principal | None:
        lent = self._lent.get(hashed)
        if lent is not None:
            return lent[0] if time.monotonic() < lent[1] else None
        with self.database.read() as session:
            if token.startswith(KEY_PREFIX):
                return key_principal(api_keys.find_by_hash(session, hashed))
            found = user_sessions.find_session(session, hashed, utc_now())
            return user_principal(found[1]) if found else None


def token_of(request: HTTPConnection) -> str | None:
    """The token of a request: its bearer token, or else its session cookie."""
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, value = header.partition(" ")
        return value.strip() if scheme.lower() == "bearer" else None
    return request.cookies.get(COOKIE)


def user_principal(user: User) -> Principal:
    return Principal(kind="user", id=user.id, name=user.name, role=user.role)  # type: ignore[arg-type]


def key_principal(key: ApiKey | None) -> Principal | None:
    """What a key may do; None when it was revoked or is out of date."""
    if key is None or key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= utc_now()):
        return None
    models = None if key.models is None else frozenset(key.models)
    return Principal(kind="key", id=key.id, name=key.name, scopes=frozenset(key.scopes) & KEY_SCOPES, models=models)

"""Making, replacing and revoking keys."""

from __future__ import annotations

from sqlalchemy.orm import Session

from backend.api_keys.schemas import ApiKeyCreate, ApiKeyMade, ApiKeyRead
from backend.auth.rules import Principal
from backend.auth.service import Authenticator
from backend.auth.tokens import hash_token, new_key
from backend.errors import Conflict, Invalid, NotFound
from db.base import utc_now
from db.engine import WriteSession
from db.models.person import ApiKey
from db.repositories import api_keys, audit, models

#: How much of a key is kept readable, so that people can tell keys apart.
_PREFIX_LENGTH = 10


def create_key(session: WriteSession, me: Principal, wish: ApiKeyCreate) -> ApiKeyMade:
    """A new key; its models must exist, and it must not be out of date already."""
    if wish.expires_at is not None and wish.expires_at <= utc_now():
        raise Invalid("the key would be out of date already")
    missing = models.missing_names(session, wish.models or [])
    if missing:
        raise Invalid("there is no such model", code="model_unknown", details={"models": missing})
    row = ApiKey(**wish.model_dump())
    return _add(session, me, row, "key.created")


def rotate_key(auth: Authenticator, session: WriteSession, me: Principal, key_id: str) -> ApiKeyMade:
    """A new secret with the same rights; the old one stops working at once."""
    old = require_key(session, key_id)
    if old.revoked_at is not None:
        raise Conflict("this key was revoked: make a new one", code="key_revoked")
    old.revoked_at = utc_now()
    auth.forget_after(session)
    row = ApiKey(name=old.name, scopes=old.scopes, models=old.models, expires_at=old.expires_at)
    return _add(session, me, row, "key.rotated")


def revoke_key(auth: Authenticator, session: WriteSession, me: Principal, key_id: str) -> ApiKey:
    """Stop a key; revoking twice changes nothing."""
    key = require_key(session, key_id)
    if key.revoked_at is None:
        key.revoked_at = utc_now()
        session.flush()
        audit.record(session, me.actor, "key.revoked", f"key:{key.id}", {"name": key.name})
        auth.forget_after(session)
    return key


def require_key(session: Session, key_id: str) -> ApiKey:
    key = api_keys.get_key(session, key_id)
    if key is None:
        raise NotFound("there is no such key")
    return key


def _add(session: WriteSession, me: Principal, row: ApiKey, action: str) -> ApiKeyMade:
    secret = new_key()
    row.key_hash, row.prefix = hash_token(secret), secret[:_PREFIX_LENGTH]
    row.created_by = me.id if me.kind == "user" else None
    api_keys.add_key(session, row)
    details = {"name": row.name, "scopes": row.scopes, "models": row.models}
    audit.record(session, me.actor, action, f"key:{row.id}", details)
    return ApiKeyMade(**ApiKeyRead.model_validate(row).model_dump(), key=secret)

"""Opaque tokens of sessions and keys: random text that is shown once, of which only the hash is stored."""

from __future__ import annotations

import hashlib
import secrets

KEY_PREFIX = "soi_"


def new_session_token() -> str:
    return secrets.token_urlsafe(32)


def new_key() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(32)


def new_bootstrap_token() -> str:
    return secrets.token_urlsafe(24)


def new_password() -> str:
    """A generated one-time password: 20 characters, easy to copy."""
    return secrets.token_urlsafe(15)


def hash_token(token: str) -> str:
    """SHA-256 as hex. The tokens are random, so a fast hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()

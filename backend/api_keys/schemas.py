"""Shapes of the keys of services."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from backend.auth.rules import KEY_SCOPES
from backend.shapes import Input, Moment, Output, Slug, Title


def _known(scopes: list[str]) -> list[str]:
    unknown = sorted(set(scopes) - KEY_SCOPES)
    if unknown:
        raise ValueError(f"a key cannot have: {', '.join(item[:50] for item in unknown)}")
    return sorted(set(scopes))


Scopes = Annotated[list[str], Field(min_length=1, max_length=50), AfterValidator(_known)]


class ApiKeyCreate(Input):
    """A new key. `scopes` are permission names; `models` narrows it to some models (null: all)."""

    name: Title
    scopes: Scopes
    models: Annotated[list[Slug], Field(min_length=1, max_length=1000)] | None = None
    expires_at: Moment | None = None


class ApiKeyRead(Output):
    id: str
    name: str
    prefix: str
    scopes: list[str]
    models: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class ApiKeyMade(ApiKeyRead):
    """`key` is the secret itself; it is shown this once, only its hash is stored."""

    key: str

"""Keys of services over HTTP, for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from backend.api_keys.schemas import ApiKeyCreate, ApiKeyMade, ApiKeyRead
from backend.api_keys.service import create_key, require_key, revoke_key, rotate_key
from backend.deps import Me, Reader, Soi, Writer, guarded_router
from db.repositories import api_keys

router = guarded_router("/v1/api-keys", "keys:manage")


@router.get("")
def list_keys(
    session: Reader,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> list[ApiKeyRead]:
    """Keys, newest first, without their secrets."""
    return [ApiKeyRead.model_validate(key) for key in api_keys.list_keys(session, limit=limit, offset=offset)]


@router.post("", status_code=201)
def post_key(body: ApiKeyCreate, session: Writer, me: Me) -> ApiKeyMade:
    """Make a key; its secret is in this answer and nowhere else."""
    return create_key(session, me, body)


@router.get("/{key_id}")
def get_key(key_id: str, session: Reader) -> ApiKeyRead:
    """One key, without its secret."""
    return ApiKeyRead.model_validate(require_key(session, key_id))


@router.post("/{key_id}/rotate", status_code=201)
def post_rotation(key_id: str, session: Writer, soi: Soi, me: Me) -> ApiKeyMade:
    """A new secret with the same rights; the old one stops working at once."""
    return rotate_key(soi.authenticator, session, me, key_id)


@router.post("/{key_id}/revoke")
def post_revocation(key_id: str, session: Writer, soi: Soi, me: Me) -> ApiKeyRead:
    """Stop a key at once."""
    return ApiKeyRead.model_validate(revoke_key(soi.authenticator, session, me, key_id))

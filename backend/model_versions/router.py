"""Versions of a model over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from backend.deps import Me, Reader, Writer, allow, guarded_router
from backend.model_versions.schemas import VersionCreate, VersionPatch, VersionRead
from backend.model_versions.service import change_version, create_version, read_versions, require_version
from backend.models.service import require_model
from db.repositories import model_versions

router = guarded_router("/v1/models/{model}/versions", "models:read")
_may_write = [Depends(allow("models:write"))]


@router.get("")
def list_versions(
    model: str,
    session: Reader,
    me: Me,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> list[VersionRead]:
    """Versions of a model, newest first."""
    found = require_model(session, me, model)
    rows = model_versions.list_versions(session, found.id, limit=limit, offset=offset)
    return read_versions(session, found, rows)


@router.post("", status_code=201, dependencies=_may_write)
def post_version(model: str, body: VersionCreate, session: Writer, me: Me) -> VersionRead:
    """Register a version: an uploaded model file, an outside service, or people."""
    found = require_model(session, me, model)
    return read_versions(session, found, [create_version(session, me, found, body)])[0]


@router.get("/{version}")
def get_version(model: str, version: str, session: Reader, me: Me) -> VersionRead:
    """One version."""
    found = require_model(session, me, model)
    return read_versions(session, found, [require_version(session, found, version)])[0]


@router.patch("/{version}", dependencies=_may_write)
def patch_version(model: str, version: str, body: VersionPatch, session: Writer, me: Me) -> VersionRead:
    """Replace a version's notes or metrics."""
    found = require_model(session, me, model)
    row = change_version(session, me, found, require_version(session, found, version), body)
    return read_versions(session, found, [row])[0]

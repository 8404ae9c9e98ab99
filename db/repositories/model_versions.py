"""Versions of a model by name."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models.model import ModelVersion


def get_version(session: Session, version_id: str) -> ModelVersion | None:
    return session.get(ModelVersion, version_id)


def find_version(session: Session, model_id: str, name: str) -> ModelVersion | None:
    query = select(ModelVersion).where(ModelVersion.model_id == model_id, ModelVersion.name == name)
    return session.scalars(query).one_or_none()


def list_versions(session: Session, model_id: str, *, limit: int = 100, offset: int = 0) -> list[ModelVersion]:
    """Versions, newest first."""
    query = (
        select(ModelVersion)
        .where(ModelVersion.model_id == model_id)
        .order_by(ModelVersion.created_at.desc(), ModelVersion.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return list(session.scalars(query))


def list_by_model(
    session: Session, model_ids: Collection[str], *, limit: int = 10_000
) -> dict[str, list[ModelVersion]]:
    """Versions of several models by model id, newest first."""
    query = (
        select(ModelVersion)
        .where(ModelVersion.model_id.in_(list(model_ids)))
        .order_by(ModelVersion.created_at.desc(), ModelVersion.id.desc())
        .limit(limit)
    )
    found: dict[str, list[ModelVersion]] = {}
    for version in session.scalars(query):
        found.setdefault(version.model_id, []).append(version)
    return found


def find_versions(session: Session, model_id: str, names: Collection[str]) -> dict[str, ModelVersion]:
    """The versions that exist among these names."""
    query = select(ModelVersion).where(ModelVersion.model_id == model_id, ModelVersion.name.in_(list(names)))
    return {version.name: version for version in session.scalars(query)}


def add_version(session: Session, version: ModelVersion) -> ModelVersion:
    session.add(version)
    session.flush()
    return version

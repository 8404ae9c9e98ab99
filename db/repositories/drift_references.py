"""References of a model: at most one is current; profiles are read only where they are needed."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, defer

from db.models.drift import DriftReference

_LIGHT = (defer(DriftReference.profile), defer(DriftReference.sample))


def get_reference(session: Session, reference_id: str) -> DriftReference | None:
    return session.scalar(select(DriftReference).where(DriftReference.id == reference_id).options(*_LIGHT))


def list_references(session: Session, model_id: str, *, limit: int = 100) -> list[DriftReference]:
    """References of a model, newest first, without their profiles."""
    query = select(DriftReference).where(DriftReference.model_id == model_id)
    return list(session.scalars(query.options(*_LIGHT).order_by(DriftReference.number.desc()).limit(limit)))


def current_reference(session: Session, model_id: str) -> DriftReference | None:
    query = select(DriftReference).where(DriftReference.model_id == model_id, DriftReference.is_current.is_(True))
    return session.scalar(query.options(*_LIGHT))


def ids_of(session: Session, model_id: str) -> list[str]:
    """The ids of all references of a model: whose counts a seal adds to."""
    query = select(DriftReference.id).where(DriftReference.model_id == model_id).order_by(DriftReference.number)
    return list(session.scalars(query))


def profiles_of(session: Session, ids: Sequence[str]) -> dict[str, bytes]:
    """Encoded profiles by reference id."""
    query = select(DriftReference.id, DriftReference.profile).where(DriftReference.id.in_(list(ids)))
    return {row[0]: row[1] for row in session.execute(query)}


def sample_of(session: Session, reference_id: str) -> bytes:
    """Some rows of the reference as Parquet, b"" where none were kept."""
    return session.scalar(select(DriftReference.sample).where(DriftReference.id == reference_id)) or b""


def next_number(session: Session, model_id: str) -> int:
    """The version of the next reference; numbers of deleted references are not given again while later ones live."""
    return (
        int(session.scalar(select(func.max(DriftReference.number)).where(DriftReference.model_id == model_id)) or 0) + 1
    )


def add_reference(session: Session, reference: DriftReference) -> DriftReference:
    session.add(reference)
    session.flush()
    return reference


def make_current(session: Session, model_id: str, reference_id: str | None) -> None:
    """Make one reference the current one (None: no one)."""
    session.execute(
        update(DriftReference)
        .where(DriftReference.model_id == model_id)
        .values(is_current=DriftReference.id == reference_id)
        if reference_id is not None
        else update(DriftReference).where(DriftReference.model_id == model_id).values(is_current=False)
    )
    session.flush()


def counting_references(session: Session, *, limit: int = 20) -> list[DriftReference]:
    """References whose history is not counted yet, oldest first."""
    query = select(DriftReference).where(DriftReference.state == "counting").options(*_LIGHT)
    return list(session.scalars(query.order_by(DriftReference.created_at, DriftReference.id).limit(limit)))


def lock_reference(session: Session, reference_id: str) -> DriftReference | None:
    """The row, locked until commit and read anew."""
    query = select(DriftReference).where(DriftReference.id == reference_id).options(*_LIGHT)
    return session.scalar(query.with_for_update().execution_options(populate_existing=True))

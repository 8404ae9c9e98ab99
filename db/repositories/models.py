"""Models by name, and whether anything was logged or decided under a model yet."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models.event_log import EventBatch, Seal
from db.models.model import Model
from db.models.review import Decision, GroundTruth


def get_model(session: Session, model_id: str) -> Model | None:
    return session.get(Model, model_id)


def find_model(session: Session, name: str) -> Model | None:
    return session.scalars(select(Model).where(Model.name == name)).one_or_none()


def list_models(
    session: Session, *, names: Collection[str] | None = None, limit: int = 100, offset: int = 0
) -> list[Model]:
    """Models ordered by name; `names` narrows to some."""
    query = select(Model).order_by(Model.name).limit(limit).offset(offset)
    if names is not None:
        query = query.where(Model.name.in_(list(names)))
    return list(session.scalars(query))


def missing_names(session: Session, names: Collection[str]) -> list[str]:
    """Which of these names belong to no model."""
    known = set(session.scalars(select(Model.name).where(Model.name.in_(list(names)))))
    return sorted(set(names) - known)


def lock_model(session: Session, model_id: str) -> Model:
    """The model row, locked until commit (on SQLite the write transaction itself is the lock)."""
    return session.scalars(
        select(Model).where(Model.id == model_id).with_for_update().execution_options(populate_existing=True)
    ).one()


def has_history(session: Session, model_id: str) -> bool:
    """Whether events, decisions or truths exist: from then on fields and labels may not disappear."""
    for table in (EventBatch, Seal, Decision, GroundTruth):
        if session.scalars(select(table.id).where(table.model_id == model_id).limit(1)).first() is not None:
            return True
    return False


def add_model(session: Session, model: Model) -> Model:
    session.add(model)
    session.flush()
    return model

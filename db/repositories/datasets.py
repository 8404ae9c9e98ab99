"""Dataset snapshots by id and name; their files are written by backend.datasets.snapshot."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models.learn import Dataset


def get_dataset(session: Session, dataset_id: str) -> Dataset | None:
    return session.get(Dataset, dataset_id)


def find_dataset(session: Session, model_id: str, name: str) -> Dataset | None:
    return session.scalars(select(Dataset).where(Dataset.model_id == model_id, Dataset.name == name)).one_or_none()


def list_datasets(session: Session, model_id: str, *, before_id: str | None = None, limit: int = 100) -> list[Dataset]:
    """Snapshots of a model, newest first; ids are ordered by time."""
    query = select(Dataset).where(Dataset.model_id == model_id).order_by(Dataset.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(Dataset.id < before_id)
    return list(session.scalars(query))


def add_dataset(session: Session, dataset: Dataset) -> Dataset:
    session.add(dataset)
    session.flush()
    return dataset

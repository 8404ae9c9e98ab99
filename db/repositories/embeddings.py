"""Vectors of items per encoder: stored once per item, and chosen repeatably for a test."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.base import new_id, utc_now
from db.models.event_log import EventBatch, Rollup
from db.models.learn import Job
from db.models.performance import Embedding

#: Ids in one statement: SQLite takes 32,766 values, and long lists are slow on both.
_PORTION = 500


def put_embeddings(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Store vectors; a vector sent again for the same item and encoder takes the place of the one before."""
    if not rows:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(Embedding.metadata.tables[Embedding.__tablename__])
    kept = ("event_id", "artifact_sha256", "version", "happened_at", "n_dims", "vector", "created_at")
    statement = statement.on_conflict_do_update(
        index_elements=["model_id", "encoder", "item_key"],
        set_={name: getattr(statement.excluded, name) for name in kept},
    )
    session.execute(statement, [{"id": new_id(), "created_at": utc_now(), **row} for row in rows])


def list_encoders(session: Session, model_id: str) -> list[tuple[str, int, int, datetime, datetime]]:
    """Per encoder: name, dimensions, number of vectors, first and last time; the largest first."""
    n = func.count().label("n")
    query = (
        select(
            Embedding.encoder,
            func.max(Embedding.n_dims),
            n,
            func.min(Embedding.happened_at),
            func.max(Embedding.happened_at),
        )
        .where(Embedding.model_id == model_id)
        .group_by(Embedding.encoder)
        .order_by(n.desc(), Embedding.encoder)
    )
    return [(row[0], int(row[1]), int(row[2]), row[3], row[4]) for row in session.execute(query)]


def n_dims_of(session: Session, model_id: str, encoder: str) -> int | None:
    """The length of an encoder's vectors, where it has any."""
    query = select(Embedding.n_dims).where(Embedding.model_id == model_id, Embedding.encoder == encoder).limit(1)
    return session.scalar(query)


def list_items(
    session: Session,
    model_id: str,
    encoder: str,
    start: datetime,
    end: datetime,
    *,
    version: str | None = None,
    limit: int = 100_000,
) -> list[tuple[str, str, str | None, str | None, datetime]]:
    """(id, item_key, event_id, artifact, happened_at) of the vectors of [start, end), oldest first."""
    query = (
        select(Embedding.id, Embedding.item_key, Embedding.event_id, Embedding.artifact_sha256, Embedding.happened_at)
        .where(Embedding.model_id == model_id, Embedding.encoder == encoder)
        .where(Embedding.happened_at >= start, Embedding.happened_at < end)
        .order_by(Embedding.happened_at, Embedding.id)
        .limit(limit)
    )
    if version is not None:
        query = query.where(Embedding.version == version)
    return [(row[0], row[1], row[2], row[3], row[4]) for row in session.execute(query)]


def load_vectors(session: Session, ids: Sequence[str]) -> dict[str, bytes]:
    """The vectors of some rows by id."""
    found: dict[str, bytes] = {}
    for first in range(0, len(ids), _PORTION):
        query = select(Embedding.id, Embedding.vector).where(Embedding.id.in_(ids[first : first + _PORTION]))
        found |= {row[0]: row[1] for row in session.execute(query)}
    return found


def known_keys(session: Session, model_id: str, encoder: str, start: datetime, end: datetime) -> set[str]:
    """The items of [start, end) that have a vector."""
    query = select(Embedding.item_key).where(
        Embedding.model_id == model_id,
        Embedding.encoder == encoder,
        Embedding.happened_at >= start,
        Embedding.happened_at < end,
    )
    return set(session.scalars(query))


def vectors_of_artifacts(session: Session, model_id: str, encoder: str, sha256s: Collection[str]) -> dict[str, bytes]:
    """One vector per file that was encoded before: the same bytes give the same vector."""
    wanted = sorted(sha256s)
    found: dict[str, bytes] = {}
    for first in range(0, len(wanted), _PORTION):
        query = select(Embedding.artifact_sha256, Embedding.vector).where(
            Embedding.model_id == model_id,
            Embedding.encoder == encoder,
            Embedding.artifact_sha256.in_(wanted[first : first + _PORTION]),
        )
        found |= {str(row[0]): row[1] for row in session.execute(query)}
    return found


def last_run_at(session: Session, model_id: str) -> datetime | None:
    """When an embedding run of a model was asked for last."""
    query = select(func.max(Job.created_at)).where(Job.model_id == model_id, Job.kind == "embedding")
    return session.scalar(query)


def has_events_since(session: Session, model_id: str, since: datetime) -> bool:
    """Whether anything was predicted since, sealed or not."""
    hot = select(EventBatch.id).where(EventBatch.model_id == model_id, EventBatch.last_happened_at >= since).limit(1)
    sealed = (
        select(Rollup.id).where(Rollup.model_id == model_id, Rollup.grain_s == 3600, Rollup.bucket_at >= since).limit(1)
    )
    return session.scalar(hot) is not None or session.scalar(sealed) is not None

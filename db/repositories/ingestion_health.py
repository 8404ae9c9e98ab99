"""How well events come in and are sealed: counts over time, the hot tail and the seals, in a few grouped queries."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Integer, cast, func, select
from sqlalchemy.orm import Session

from db.models.event_log import EventBatch, IngestionCount, Rollup, SchemaNotice, Seal
from db.repositories.event_batches import sealed_up_to


class HotTail(NamedTuple):
    """Events of a model that are committed but not sealed."""

    n_batches: int
    n_events: int
    oldest_at: datetime


class LastSeal(NamedTuple):
    """The newest finished seal of a model."""

    n_events: int
    created_at: datetime
    finished_at: datetime | None


def sum_counts(
    session: Session, start: datetime, end: datetime, grain_s: int, models: Collection[str] | None
) -> list[tuple[int, str, str, int]]:
    """(bucket number since `start`, model name, reason, events) of the minutes in [start, end); None: all models."""
    first_s = int(start.timestamp())
    bucket = (_epoch_s(session) - first_s) // grain_s
    query = (
        select(bucket, IngestionCount.model_name, IngestionCount.reason, func.sum(IngestionCount.n_events))
        .where(IngestionCount.minute_at >= start, IngestionCount.minute_at < end)
        .group_by(bucket, IngestionCount.model_name, IngestionCount.reason)
    )
    if models is not None:
        query = query.where(IngestionCount.model_name.in_(list(models)))
    rows: Any = session.execute(query)
    return [(int(at), model, reason, int(n)) for at, model, reason, n in rows]


def hot_tails(session: Session, model_ids: Collection[str]) -> dict[str, HotTail]:
    """Hot events per model; `oldest_at` is when the oldest was logged."""
    query = (
        select(EventBatch.model_id, func.count(), func.sum(EventBatch.n_events), func.min(EventBatch.logged_at))
        .where(EventBatch.model_id.in_(list(model_ids)), EventBatch.id > sealed_up_to(EventBatch.model_id))
        .group_by(EventBatch.model_id)
    )
    return {row[0]: HotTail(int(row[1]), int(row[2]), row[3]) for row in session.execute(query)}


def last_seals(session: Session, model_ids: Collection[str]) -> dict[str, LastSeal]:
    """The newest finished seal per model."""
    newest = (
        select(func.max(Seal.id))
        .where(Seal.model_id.in_(list(model_ids)), Seal.state == "done")
        .group_by(Seal.model_id)
    )
    rows = session.scalars(select(Seal).where(Seal.id.in_(newest)))
    return {row.model_id: LastSeal(row.n_events, row.created_at, row.finished_at) for row in rows}


def open_notices(session: Session, model_ids: Collection[str]) -> dict[str, int]:
    """Schema notices per model that nobody acknowledged."""
    query = (
        select(SchemaNotice.model_id, func.count())
        .where(SchemaNotice.model_id.in_(list(model_ids)), SchemaNotice.acknowledged_by.is_(None))
        .group_by(SchemaNotice.model_id)
    )
    return {model_id: int(n) for model_id, n in session.execute(query)}


def newest_buckets(session: Session, model_ids: Collection[str]) -> dict[str, datetime]:
    """The newest sealed five-minute bucket per model."""
    query = (
        select(Rollup.model_id, func.max(Rollup.bucket_at))
        .where(Rollup.model_id.in_(list(model_ids)), Rollup.grain_s == 300)
        .group_by(Rollup.model_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _epoch_s(session: Session) -> ColumnElement[int]:
    if _is_sqlite(session):
        return cast(func.strftime("%s", IngestionCount.minute_at), Integer)
    return cast(func.floor(func.extract("epoch", IngestionCount.minute_at)), BigInteger)


def _is_sqlite(session: Session) -> bool:
    return bool(session.get_bind().dialect.name == "sqlite")

"""Hot event batches, and the sealed runs of event ids: what the committing thread and the seal read and write."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, delete, func, insert, select, text
from sqlalchemy.orm import Session

from db.models.event_log import EventBatch, EventIdRun, Seal

#: First half of the advisory lock that serialises commits and seals of one model on PostgreSQL.
_LOCK_SPACE = 730_144
#: Batches deleted at once at most.
MAX_DELETED = 500


# Built once: putting a statement together costs more than running it, and these run in every commit.
_BATCHES: Table = EventBatch.__table__  # type: ignore[assignment]
_RUNS: Table = EventIdRun.__table__  # type: ignore[assignment]
_SEALS: Table = Seal.__table__  # type: ignore[assignment]


def sealed_up_to(model_id: Any) -> ColumnElement[int]:
    """The last batch of a model that the lake holds, as the newest finished seal says; 0 before the first.

    Every question about hot batches asks for ids above it: the rows below are deleted some time after the seal.
    """
    newest = (
        select(_SEALS.c.last_batch_id)
        .where(_SEALS.c.model_id == model_id, _SEALS.c.state == "done")
        .order_by(_SEALS.c.id.desc())
        .limit(1)
    )
    return func.coalesce(newest.scalar_subquery(), 0)


def is_hot(model_id: str) -> ColumnElement[bool]:
    """The condition that a batch is one of this model's and not in the lake yet."""
    return (EventBatch.model_id == model_id) & (EventBatch.id > sealed_up_to(model_id))


_INSERT = insert(_BATCHES)
_HASHES_AFTER = (
    select(_BATCHES.c.id, _BATCHES.c.id_hashes)
    .where(
        _BATCHES.c.model_id == bindparam("model_id"),
        _BATCHES.c.id > bindparam("after_id"),
        _BATCHES.c.id > sealed_up_to(bindparam("model_id")),
    )
    .order_by(_BATCHES.c.id)
)
_RUNS_SIGNATURE = select(func.count(_RUNS.c.id), func.coalesce(func.max(_RUNS.c.id), 0)).where(
    _RUNS.c.model_id == bindparam("model_id")
)


def lock_model(session: Session, model_id: str) -> None:
    """Take the model's commit lock until the transaction ends. SQLite's write lock already is that lock."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(
            text("SELECT pg_advisory_xact_lock(:space, hashtext(:model))"), {"space": _LOCK_SPACE, "model": model_id}
        )


def insert_batch(
    session: Session,
    *,
    model_id: str,
    n_events: int,
    first_happened_at: datetime,
    last_happened_at: datetime,
    logged_at: datetime,
    payload: bytes,
    id_hashes: bytes,
) -> int:
    """Add one committed batch and return its id; ids of one model ascend in commit order."""
    values = {
        "model_id": model_id,
        "n_events": n_events,
        "first_happened_at": first_happened_at,
        "last_happened_at": last_happened_at,
        "logged_at": logged_at,
        "payload": payload,
        "id_hashes": id_hashes,
    }
    key = session.connection().execute(_INSERT, values).inserted_primary_key
    if key is None:
        raise RuntimeError("the database gave the batch no id")
    return int(key[0])


def hashes_after(session: Session, model_id: str, after_id: int) -> list[tuple[int, bytes]]:
    """The id hashes of batches that were committed after `after_id`, oldest first."""
    found = session.connection().execute(_HASHES_AFTER, {"model_id": model_id, "after_id": after_id})
    return [(row[0], row[1]) for row in found]


def runs_signature(session: Session, model_id: str) -> tuple[int, int]:
    """Changes whenever the sealed id runs of a model change."""
    row = session.connection().execute(_RUNS_SIGNATURE, {"model_id": model_id}).one()
    return int(row[0]), int(row[1])


def runs(session: Session, model_id: str) -> list[EventIdRun]:
    """The sealed id runs of a model."""
    return list(session.scalars(select(EventIdRun).where(EventIdRun.model_id == model_id).order_by(EventIdRun.id)))


def hot_sizes(session: Session, model_id: str) -> dict[int, int]:
    """Batches that are not sealed yet, claimed ones included, in commit order: id -> number of events."""
    statement = select(EventBatch.id, EventBatch.n_events).where(is_hot(model_id)).order_by(EventBatch.id)
    return {row[0]: row[1] for row in session.execute(statement)}


def first_hot_id(session: Session, model_id: str, up_to_batch_id: int | None = None) -> int | None:
    """The oldest batch that is not sealed yet, if any."""
    statement = select(func.min(EventBatch.id)).where(is_hot(model_id))
    if up_to_batch_id is not None:
        statement = statement.where(EventBatch.id <= up_to_batch_id)
    found: int | None = session.scalar(statement)
    return found


def payloads(session: Session, model_id: str, ids: list[int]) -> list[tuple[int, bytes]]:
    """The payloads of some batches, in commit order."""
    if not ids:
        return []
    wanted = set(ids)
    statement = (
        select(EventBatch.id, EventBatch.payload)
        .where(EventBatch.model_id == model_id, EventBatch.id.between(min(ids), max(ids)))
        .order_by(EventBatch.id)
    )
    return [(row[0], row[1]) for row in session.execute(statement) if row[0] in wanted]


def payloads_after(
    session: Session, model_id: str, after_id: int, limit: int, max_events: int | None = None
) -> list[tuple[int, bytes]]:
    """Hot batches committed after `after_id`, oldest first: at most `limit`, no more once `max_events` are there."""
    sizes = (
        select(EventBatch.id, EventBatch.n_events)
        .where(is_hot(model_id), EventBatch.id > after_id)
        .order_by(EventBatch.id)
        .limit(limit)
    )
    picked, n_events = [], 0
    for batch_id, n in session.execute(sizes):
        if max_events is not None and n_events >= max_events:
            break
        picked.append(batch_id)
        n_events += n
    return payloads(session, model_id, picked)


def backlog(session: Session, model_id: str) -> tuple[int, int, datetime | None]:
    """How many batches and events wait to be sealed, and when the oldest of them was logged."""
    statement = select(
        func.count(EventBatch.id), func.coalesce(func.sum(EventBatch.n_events), 0), func.min(EventBatch.logged_at)
    ).where(is_hot(model_id))
    row = session.execute(statement).one()
    return int(row[0]), int(row[1]), row[2]


def delete_sealed(session: Session, model_id: str, max_events: int) -> int:
    """Delete the oldest batches that the lake holds, about `max_events` of them; how many batches went."""
    statement = (
        select(EventBatch.id, EventBatch.n_events)
        .where(EventBatch.model_id == model_id, EventBatch.id <= sealed_up_to(model_id))
        .order_by(EventBatch.id)
        .limit(MAX_DELETED)
    )
    last, n_batches, n_events = 0, 0, 0
    for batch_id, n in session.execute(statement):
        if n_batches and n_events + n > max_events:
            break
        last, n_batches, n_events = batch_id, n_batches + 1, n_events + n
    if n_batches:
        session.execute(delete(EventBatch).where(EventBatch.model_id == model_id, EventBatch.id <= last))
    return n_batches

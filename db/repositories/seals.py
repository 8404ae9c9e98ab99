"""Seals: which batches are on their way into the lake, under whose lease, and which lake version holds them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from db.models.event_log import EventBatch, EventIdRun, Seal
from db.repositories.event_batches import is_hot, sealed_up_to


def open_seal(session: Session, model_id: str) -> Seal | None:
    """The seal of this model that is not finished, if any: it can only be the newest one."""
    newest = session.scalar(select(Seal).where(Seal.model_id == model_id).order_by(Seal.id.desc()).limit(1))
    return newest if newest is not None and newest.state == "claimed" else None


def add_seal(session: Session, model_id: str, owner: str, lease_until: datetime) -> Seal:
    """Begin a seal that moves no batch yet."""
    last = session.scalar(select(sealed_up_to(model_id)))
    seal = Seal(model_id=model_id, owner=owner, lease_until=lease_until, state="claimed", last_batch_id=last)
    session.add(seal)
    session.flush()
    return seal


def claim_batches(session: Session, seal: Seal, max_rows: int, up_to_batch_id: int | None) -> None:
    """Claim the oldest hot batches, at most `max_rows` events (one batch at least)."""
    statement = select(EventBatch.id, EventBatch.n_events).where(is_hot(seal.model_id))
    if up_to_batch_id is not None:
        statement = statement.where(EventBatch.id <= up_to_batch_id)
    n_events = 0
    for batch_id, n in session.execute(statement.order_by(EventBatch.id).limit(20_000)):
        if n_events and n_events + n > max_rows:
            break
        seal.last_batch_id = batch_id
        n_events += n
    seal.n_events = n_events
    session.flush()


def claimed_payloads(session: Session, model_id: str, last_batch_id: int) -> list[tuple[bytes, bytes]]:
    """Payload and id hashes of the hot batches up to the last one that a seal claimed, in commit order."""
    statement = (
        select(EventBatch.payload, EventBatch.id_hashes)
        .where(is_hot(model_id), EventBatch.id <= last_batch_id)
        .order_by(EventBatch.id)
    )
    return [(row[0], row[1]) for row in session.execute(statement)]


def finish_seal(
    session: Session, seal_id: int, owner: str, *, delta_version: int | None, n_events: int, now: datetime
) -> bool:
    """Mark a seal done, which takes its batches out of the hot ones; False when somebody else took it over."""
    done = session.execute(
        update(Seal)
        .where(Seal.id == seal_id, Seal.owner == owner, Seal.state == "claimed")
        .values(state="done", delta_version=delta_version, n_events=n_events, finished_at=now)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


def add_run(session: Session, run: EventIdRun) -> None:
    """Announce a sorted run of sealed ids."""
    session.add(run)
    session.flush()


def replace_runs(session: Session, old: list[int], run: EventIdRun) -> None:
    """Put one merged run in the place of several."""
    session.execute(delete(EventIdRun).where(EventIdRun.id.in_(old)))
    add_run(session, run)


def last_finished(session: Session, model_id: str) -> datetime | None:
    """When the model was last sealed."""
    found: datetime | None = session.scalar(
        select(func.max(Seal.finished_at)).where(Seal.model_id == model_id, Seal.state == "done")
    )
    return found

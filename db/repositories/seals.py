"""Seals: which batches are on their way into the lake, under whose lease, and which lake version holds them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from db.models.event_log import EventBatch, EventIdRun, Seal
from db.repositories.event_batches import is_hot, sealed_up_to


def open_seal(session: Session, model_id: str) -> Seal | None:
    """The seal of this model that is not finished, if any: it can only be the newest one."""
    newest = session.scalar(select(Seal).where(Seal.model_id == model_id).order_by(Seal.id.desc()).limit(1))
    return newest if newest is not None and newest.state == "claimed" else None


def add_seal(
    session: Session, model_id: str, owner: str, lease_until: datetime, *, last_batch_id: int, n_events: int = 0
) -> Seal:
    """Begin a seal of all hot batches up to one; a compaction, which moves none, names the last sealed one."""
    seal = Seal(
        model_id=model_id,
        owner=owner,
        lease_until=lease_until,
        state="claimed",
        n_events=n_events,
        last_batch_id=last_batch_id,
    )
    session.add(seal)
    session.flush()
    return seal


@dataclass(frozen=True, slots=True)
class Portion:
    """Hot batches to seal next: those above `after_id`, up to `last_id`, with `n_events`."""

    after_id: int
    last_id: int
    n_events: int


def next_portion(session: Session, model_id: str, max_rows: int, up_to_batch_id: int | None) -> Portion | None:
    """The oldest hot batches, at most `max_rows` events (one batch at least); None when nothing is hot."""
    statement = select(EventBatch.id, EventBatch.n_events).where(is_hot(model_id))
    if up_to_batch_id is not None:
        statement = statement.where(EventBatch.id <= up_to_batch_id)
    last_id = n_events = 0
    for batch_id, n in session.execute(statement.order_by(EventBatch.id).limit(20_000)):
        if n_events and n_events + n > max_rows:
            break
        last_id, n_events = batch_id, n_events + n
    return Portion(last_sealed(session, model_id), last_id, n_events) if last_id else None


def last_sealed(session: Session, model_id: str) -> int:
    """The last batch that the lake holds."""
    return session.scalar(select(sealed_up_to(model_id))) or 0


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

"""Seals: which batches are on their way into the lake, under whose lease, and which lake version holds them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ScalarSelect, delete, func, select, update
from sqlalchemy.orm import Session

from db.models.event_log import EventBatch, EventIdRun, Seal


def open_seal(session: Session, model_id: str) -> Seal | None:
    """The seal of this model that is not finished, if any; there is at most one."""
    return session.scalar(select(Seal).where(Seal.model_id == model_id, Seal.state == "claimed").order_by(Seal.id))


def add_seal(session: Session, model_id: str, owner: str, lease_until: datetime) -> Seal:
    """Begin a seal."""
    seal = Seal(model_id=model_id, owner=owner, lease_until=lease_until, state="claimed")
    session.add(seal)
    session.flush()
    return seal


def claim_batches(session: Session, model_id: str, seal_id: int, max_rows: int, up_to_batch_id: int | None) -> int:
    """Claim the oldest hot batches, at most `max_rows` events (one batch at least), and return how many events.

    Only the newest of them is marked: a mark rewrites the whole row with its payload on SQLite.
    """
    statement = select(EventBatch.id, EventBatch.n_events).where(EventBatch.model_id == model_id)
    if up_to_batch_id is not None:
        statement = statement.where(EventBatch.id <= up_to_batch_id)
    picked: list[int] = []
    n_events = 0
    for batch_id, n in session.execute(statement.order_by(EventBatch.id).limit(20_000)):
        if picked and n_events + n > max_rows:
            break
        picked.append(batch_id)
        n_events += n
    if picked:
        session.execute(update(EventBatch).where(EventBatch.id == picked[-1]).values(sealed_in=seal_id))
    return n_events


def claimed_payloads(session: Session, model_id: str, seal_id: int) -> list[tuple[bytes, bytes]]:
    """Payload and id hashes of the batches that a seal claimed, in commit order."""
    statement = (
        select(EventBatch.payload, EventBatch.id_hashes)
        .where(EventBatch.model_id == model_id, EventBatch.id <= _last_claimed(model_id, seal_id))
        .order_by(EventBatch.id)
    )
    return [(row[0], row[1]) for row in session.execute(statement)]


def finish_seal(
    session: Session, seal_id: int, owner: str, *, delta_version: int | None, n_events: int, now: datetime
) -> bool:
    """Mark a seal done; False when somebody else took it over."""
    done = session.execute(
        update(Seal)
        .where(Seal.id == seal_id, Seal.owner == owner, Seal.state == "claimed")
        .values(state="done", delta_version=delta_version, n_events=n_events, finished_at=now)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]


def delete_claimed(session: Session, model_id: str, seal_id: int) -> None:
    """Forget hot batches that the lake now holds."""
    last = session.scalar(select(_last_claimed(model_id, seal_id)))
    if last is not None:
        session.execute(delete(EventBatch).where(EventBatch.model_id == model_id, EventBatch.id <= last))


def _last_claimed(model_id: str, seal_id: int) -> ScalarSelect[int]:
    statement = select(EventBatch.id).where(EventBatch.model_id == model_id, EventBatch.sealed_in == seal_id)
    return statement.scalar_subquery()


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

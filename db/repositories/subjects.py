"""The things judged: their artifacts, golden samples, segments and latest answers per version."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.base import utc_now
from db.models.review import Subject

#: PostgreSQL holds some 6,400 locks in all by default: a request about 1,000 subjects must not take as many.
N_LOCKS = 256


_FIND = select(Subject).where(
    Subject.model_id == bindparam("model_id"), Subject.subject_id.in_(bindparam("wanted", expanding=True))
)


def get_subject(session: Session, model_id: str, subject_id: str) -> Subject | None:
    return session.get(Subject, (model_id, subject_id))


def find_subjects(session: Session, model_id: str, subject_ids: Collection[str]) -> dict[str, Subject]:
    """The subjects that are known among these ids."""
    if not subject_ids:
        return {}
    rows = session.scalars(_FIND, {"model_id": model_id, "wanted": list(subject_ids)})
    return {row.subject_id: row for row in rows}


def list_subjects(session: Session, model_id: str, *, after: str = "", limit: int = 100) -> list[Subject]:
    """Subjects ordered by id, after a given one."""
    query = select(Subject).where(Subject.model_id == model_id, Subject.subject_id > after)
    return list(session.scalars(query.order_by(Subject.subject_id).limit(limit)))


def upsert_subjects(session: Session, rows: list[dict[str, Any]]) -> None:
    """Insert or overwrite whole subject rows; the caller has merged them with what was known."""
    if not rows:
        return
    now = utc_now()
    session.execute(_upsert(session.get_bind().dialect.name), [{"created_at": now, **row} for row in rows])


@cache
def _upsert(dialect: str) -> Any:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(Subject.metadata.tables[Subject.__tablename__])  # a table, not a class: twice as fast in bulk
    return statement.on_conflict_do_update(
        index_elements=["model_id", "subject_id"],
        set_={
            name: getattr(statement.excluded, name)
            for name in ("artifact_sha256", "golden_sha256", "segments", "details")
        },
    )


def lock_subjects(session: Session, model_id: str, subject_ids: Iterable[str]) -> None:
    """Hold these subjects until commit, so that two opinions that arrive at once are settled one after the other.

    Advisory locks in sorted order on PostgreSQL, shared by the subjects that fall into one of N_LOCKS places; on
    SQLite the write transaction itself is the lock.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    keys = sorted({_lock_key(model_id, one) for one in subject_ids})
    session.execute(
        text("SELECT pg_advisory_xact_lock(key) FROM (SELECT unnest(CAST(:keys AS bigint[])) AS key) AS wanted"),
        {"keys": keys},
    )


def _lock_key(model_id: str, subject_id: str) -> int:
    place = int.from_bytes(hashlib.blake2b(subject_id.encode(), digest_size=8).digest(), "big") % N_LOCKS
    digest = hashlib.blake2b(f"subject:{model_id}:{place}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def champion_answer(details: Mapping[str, Any]) -> dict[str, Any] | None:
    """The latest answer that callers got about a subject, from its `details`: version, prediction, score."""
    found: dict[str, Any] | None = details.get("champion")
    return found


def machine_answers(details: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The latest answer of each version about a subject, the champion's first."""
    champion = details.get("champion")
    first = [{**champion, "role": "champion"}] if champion else []
    others = [
        {"version": name, **answer}
        for name, answer in (details.get("answers") or {}).items()
        if champion is None or name != champion["version"]
    ]
    return first + others

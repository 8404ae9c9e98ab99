"""What is known about stored files; their bytes are in db.artifact_store."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models.model import Artifact

#: Hashes in one query: PostgreSQL and SQLite both bound the number of parameters.
_SLICE = 1_000


def get_artifact(session: Session, sha256: str) -> Artifact | None:
    return session.get(Artifact, sha256)


def find_artifacts(session: Session, sha256s: Collection[str]) -> dict[str, Artifact]:
    """The artifacts that exist among these hashes."""
    rows = session.scalars(select(Artifact).where(Artifact.sha256.in_(list(sha256s))))
    return {row.sha256: row for row in rows}


def add_artifact(session: Session, artifact: Artifact) -> bool:
    """Store the row unless the same bytes are known already; says whether it was new."""
    values = {
        column.key: getattr(artifact, column.key)
        for column in Artifact.__table__.columns
        if getattr(artifact, column.key) is not None
    }
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(Artifact).values(**values).on_conflict_do_nothing(index_elements=["sha256"])
    return session.execute(statement.returning(Artifact.sha256)).first() is not None


def list_unmeasured(session: Session, limit: int) -> list[Artifact]:
    """The oldest files that nothing was measured of; model files never are."""
    query = select(Artifact).where(Artifact.measured_at.is_(None), Artifact.kind != "model")
    return list(session.scalars(query.order_by(Artifact.created_at).limit(limit)))


def put_measures(session: Session, measures: Mapping[str, dict[str, Any]], now: datetime) -> None:
    """Keep what was measured of files, by hash."""
    table: Table = Artifact.__table__  # type: ignore[assignment]
    statement = (
        update(table)
        .where(table.c.sha256 == bindparam("of"))
        .values(measures=bindparam("found"), measured_at=bindparam("now"))
    )
    if measures:
        session.execute(statement, [{"of": sha256, "found": found, "now": now} for sha256, found in measures.items()])


def load_measures(session: Session, sha256s: Collection[str]) -> dict[str, dict[str, Any]]:
    """What was measured of these files; those without measures are left out."""
    found: dict[str, dict[str, Any]] = {}
    wanted = list(sha256s)
    for first in range(0, len(wanted), _SLICE):
        query = select(Artifact.sha256, Artifact.measures).where(
            Artifact.sha256.in_(wanted[first : first + _SLICE]), Artifact.measured_at.is_not(None)
        )
        found.update({sha256: measures or {} for sha256, measures in session.execute(query)})
    return found

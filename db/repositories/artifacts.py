"""What is known about stored files; their bytes are in db.artifact_store."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models.model import Artifact


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

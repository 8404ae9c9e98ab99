"""Run the migration chain from code: used by `soi db upgrade`, by start-up and by tests. Alembic (10 MB) is loaded only
when there is something to run: a start on a prepared database finds that out with one query."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from db.engine import Database

if TYPE_CHECKING:
    from alembic.config import Config

_INI = Path(__file__).with_name("alembic.ini")
#: Any number; it only has to be the same in every process that upgrades.
_POSTGRES_LOCK = 7_301_447_120


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, bound to an open connection."""
    from alembic.config import Config

    made = Config(str(_INI))
    made.set_main_option("script_location", str(_INI.parent))
    if connection is not None:
        made.attributes["connection"] = connection
    return made


def revisions() -> list[str]:
    """All revisions, oldest first."""
    from alembic.script import ScriptDirectory

    return [script.revision for script in reversed(list(ScriptDirectory.from_config(config()).walk_revisions()))]


def current(database: Database) -> str | None:
    """The revision the database stands at, or None when it is empty."""
    with database.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found


def newest() -> str:
    """The last revision of the chain: files are named after theirs, in order."""
    return max(path.name.partition("_")[0] for path in _INI.parent.glob("versions/[0-9]*.py"))


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the database up to a revision. Safe to call from several processes at once."""
    if revision == "head" and current(database) == newest():
        return
    from alembic import command

    _run(database, lambda cfg: command.upgrade(cfg, revision))


def downgrade(database: Database, revision: str) -> None:
    """Take the database down to a revision ("base" empties it)."""
    from alembic import command

    _run(database, lambda cfg: command.downgrade(cfg, revision))


def _run(database: Database, step: Callable[[Config], None]) -> None:
    with database.engine.connect().execution_options(soi_immediate=True) as connection, connection.begin():
        if not database.is_sqlite:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK})"))
        step(config(connection))

"""The one chain of migrations on both databases: up, down, up on every revision; the tables equal the models."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from db.engine import Database
from db.migrations.runner import current, downgrade, newest, revisions, upgrade
from db.models.registry import metadata


def test_every_revision_goes_up_down_and_up_again(database: Database) -> None:
    downgrade(database, "base")
    assert current(database) is None
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    below = "base"
    for revision in revisions():
        upgrade(database, revision)
        downgrade(database, below)
        upgrade(database, revision)
        assert current(database) == revision
        below = revision
    assert set(metadata.tables) <= set(inspect(database.engine).get_table_names())


def test_migrated_tables_equal_the_models(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    before = current(database)
    upgrade(database)
    assert current(database) == before == revisions()[-1]


def test_the_newest_revision_is_told_by_the_names_of_the_files() -> None:
    assert newest() == revisions()[-1]


def test_an_empty_database_has_no_revision_and_is_upgraded(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'soi.db'}")
    assert current(database) is None
    upgrade(database)
    assert current(database) == newest()
    database.dispose()

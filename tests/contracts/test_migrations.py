"""The one chain of migrations on both databases: up, down, up on every revision; the tables equal the models."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

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


def test_skips_whose_reason_stood_in_the_comment_get_it_in_its_own_column_and_lose_no_word(database: Database) -> None:
    written = {
        "a": ("skip", "Picture missing, wrong or damaged", "damaged", None),
        "b": ("skip", "Mẫu không đủ rõ: chói: quá", "unclear", "chói: quá"),
        "c": ("skip", "Another reason: Not my field", "other", "Not my field"),
        "d": ("skip", "black", None, "black"),
        "e": ("skip", None, None, None),
        "f": ("unsure", "Not my field", None, "Not my field"),
    }
    before = revisions()[revisions().index("0026") - 1]
    downgrade(database, before)
    insert = (
        "INSERT INTO decisions (id, model_id, subject_id, judge, verb, seen, is_adjudication, is_evidence, comment,"
        " boxes, details, decided_at, logged_at) VALUES (:id, 'm', 's', 'person:a', :verb, 'blind', {no}, {no},"
        " :comment, '[]', '{{}}', '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
    )
    no = "0" if database.is_sqlite else "false"
    with database.write() as session:
        model = "INSERT INTO models ({}) VALUES ({})"
        values = {"id": "'m'", "name": "'m'", "item_kind": "'image'", "output_kind": "'label'", "title": "'{}'"}
        values |= {
            "labels": "'[]'",
            "inputs": "'[]'",
            "metrics": "'[]'",
            "segment_keys": "'[]'",
            "null_outputs": "'[]'",
        }
        values |= {"settings": "'{}'", "schema_version": "1", "is_schema_locked": no}
        values |= {"created_at": "'2026-01-01 00:00:00'"}
        session.execute(text(model.format(", ".join(values), ", ".join(values.values()))))
        for row_id, (verb, comment, _, _) in written.items():
            session.execute(text(insert.format(no=no)), {"id": row_id, "verb": verb, "comment": comment})
    upgrade(database)
    with database.read() as session:
        rows = session.execute(text("SELECT id, verb, skip_reason, comment FROM decisions ORDER BY id")).all()
    assert {row[0]: tuple(row[1:]) for row in rows} == {key: (v, r, c) for key, (v, _, r, c) in written.items()}
    downgrade(database, before)
    with database.read() as session:
        old = {row[0]: row[1] for row in session.execute(text("SELECT id, comment FROM decisions"))}
    assert old["b"] == "The item does not say enough: chói: quá"
    assert (old["d"], old["e"], old["f"]) == ("black", None, "Not my field")
    upgrade(database)

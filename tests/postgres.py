"""PostgreSQL for the tests: one migrated database per test process, emptied after each test.

Making a database takes about a second, emptying one some milliseconds. A test that changes the tables themselves
(a migration walked down, say) leaves another shape behind; its database is then made anew.
"""

from __future__ import annotations

import os
import uuid

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from db.engine import Database
from db.migrations.runner import upgrade

ADMIN_URL = os.environ.get("SOI_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")

# DELETE is quicker than TRUNCATE for the few rows of a test, and TRUNCATE for the many of a large one.
EMPTY = """
DO $$
DECLARE
    found record;
    filled boolean;
BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET LOCAL session_replication_role = replica;
    FOR found IN SELECT format('%I', nspname) AS name FROM pg_namespace
        WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('public', 'information_schema')
    LOOP
        EXECUTE 'DROP SCHEMA ' || found.name || ' CASCADE';
    END LOOP;
    FOR found IN SELECT format('public.%I', relname) AS name, pg_relation_size(oid) AS bytes FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
    LOOP
        CONTINUE WHEN found.bytes = 0;
        IF found.bytes > 1000000 THEN
            EXECUTE 'TRUNCATE ' || found.name || ' CASCADE';
        ELSE
            EXECUTE 'SELECT EXISTS (SELECT FROM ' || found.name || ')' INTO filled;
            IF filled THEN EXECUTE 'DELETE FROM ' || found.name; END IF;
        END IF;
    END LOOP;
    FOR found IN SELECT format('public.%I', sequencename) AS name FROM pg_sequences
        WHERE schemaname = 'public' AND last_value IS NOT NULL
    LOOP
        EXECUTE 'ALTER SEQUENCE ' || found.name || ' RESTART';
    END LOOP;
END $$
"""

SHAPE = """
SELECT md5(string_agg(concat_ws(' ', c.relname, a.attname, a.attnum, a.atttypid, a.attnotnull, v.version_num), '|'
                      ORDER BY c.relname, a.attnum))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid CROSS JOIN alembic_version v
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i') AND a.attnum > 0 AND NOT a.attisdropped
"""


class TestPostgres:
    """The PostgreSQL database of this test process; raises OperationalError when no server answers."""

    __test__ = False

    def __init__(self) -> None:
        self.name = f"soi_test_{uuid.uuid4().hex[:12]}"
        self.url = ADMIN_URL.rsplit("/", 1)[0] + "/" + self.name
        self._admin = create_engine(
            ADMIN_URL, isolation_level="AUTOCOMMIT", poolclass=NullPool, connect_args={"connect_timeout": 2}
        )
        self._inside: Engine = create_engine(self.url, poolclass=NullPool)
        self._create()

    def recycle(self) -> None:
        """Ends every connection to the database and leaves it migrated and empty."""
        with self._inside.begin() as connection:
            connection.execute(text(EMPTY))
        if self._shape() != self._made:
            self.drop()
            self._create()

    def drop(self) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)"))

    def _create(self) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {self.name}"))
        database = Database(self.url)
        upgrade(database)
        database.dispose()
        self._made = self._shape()

    def _shape(self) -> str:
        with self._inside.connect() as connection:
            return str(connection.execute(text(SHAPE)).scalar())

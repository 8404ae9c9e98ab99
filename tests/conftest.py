"""Shared fixtures: a migrated database of each kind, the app in one process, and clients for each role."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from db.engine import Database
from db.migrations.runner import upgrade

POSTGRES_ADMIN = os.environ.get("SOI_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
REQUIRE_SERVICES = os.environ.get("SOI_REQUIRE_SERVICES") == "1"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def absent(what: str) -> None:
    """Skip because a service, browser or data set is absent; a failure where services are required."""
    if REQUIRE_SERVICES and "data set" not in what:
        pytest.fail(f"required but absent: {what}")
    pytest.skip(f"absent: {what}")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return path


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[str]:
    """The name of a migrated database that tests copy; skips where no PostgreSQL runs."""
    name = f"soi_template_{uuid.uuid4().hex[:10]}"
    admin = create_engine(POSTGRES_ADMIN, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 2})
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError:
        absent("PostgreSQL")
    database = Database(postgres_url(name))
    upgrade(database)
    database.dispose()
    yield name
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


def postgres_url(name: str) -> str:
    return POSTGRES_ADMIN.rsplit("/", 1)[0] + "/" + name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty, migrated database; every test that uses it runs once on each kind."""
    if request.param == "sqlite":
        path = tmp_path / "soi.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    template = request.getfixturevalue("postgres_template")
    name = f"soi_test_{uuid.uuid4().hex[:12]}"
    admin = create_engine(POSTGRES_ADMIN, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield postgres_url(name)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.dispose()


@pytest.fixture
def data_folder() -> Callable[[str], Path]:
    """The folder of a real data set beside the checkout; skips where it is absent."""

    def find(name: str) -> Path:
        folder = DATA / name
        if not folder.exists():
            absent(f"data set {name}")
        return folder

    return find

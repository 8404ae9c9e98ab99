"""Shared fixtures: a migrated database of each kind, the app in one process, and clients for each role."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from backend.auth.rules import Role
from backend.client import Client
from backend.main import create_app
from backend.settings import Settings
from db.base import utc_now
from db.engine import Database
from db.migrations.runner import upgrade
from db.models.person import User, UserSession
from tests.postgres import TestPostgres

REQUIRE_SERVICES = os.environ.get("SOI_REQUIRE_SERVICES") == "1"
#: For a test whose subject is not the database, so that it runs on the embedded kind alone.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def absent(what: str) -> None:
    """Skip because a service, browser or data set is absent; a failure where services are required."""
    if REQUIRE_SERVICES and "data set" not in what:
        pytest.fail(f"required but absent: {what}")
    pytest.skip(f"absent: {what}")


#: Files that wait long for browsers, processes and training runs, the longest first: they begin the run, so that no
#: process is left alone with one of them at its end.
_LONGEST = (
    "ui/test_browser.py",
    "bench/test_browser.py",
    "retraining/test_retraining_runs.py",
    "datasets/test_datasets.py",
    "contracts/test_hostile_requests.py",
    "worker/test_worker.py",
    "eventlog/test_faults.py",
    "cli/test_processes.py",
    "e2e/test_loop.py",
    "analytics/test_measures.py",
    "demo/test_build_demo.py",
)


def _turn(item: pytest.Item) -> int:
    name = item.path.relative_to(Path(__file__).parent).as_posix()
    return _LONGEST.index(name) if name in _LONGEST else len(_LONGEST)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test with further parameters runs with all of them on SQLite and with the first on PostgreSQL: what differs
    between the two is the statements, and those are the same for every parameter. Marked each_database: all."""
    seen: set[tuple[str, str]] = set()
    spared = []
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec is None or callspec.params.get("database_url") != "postgresql" or len(callspec.params) == 1:
            continue
        if item.get_closest_marker("each_database"):
            continue
        place = (str(item.path), getattr(item, "originalname", item.name))
        if place in seen:
            spared.append(item)
        seen.add(place)
    left_out = set(map(id, spared))
    items[:] = sorted((item for item in items if id(item) not in left_out), key=_turn)
    if spared:
        config.hook.pytest_deselected(items=spared)


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Streamlit's AppTest leaves its script as __main__; processes started later would try to import that."""
    kept = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = kept


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
def postgres() -> Iterator[TestPostgres]:
    """This process's PostgreSQL database; skips where no PostgreSQL runs."""
    try:
        made = TestPostgres()
    except OperationalError:
        absent("PostgreSQL")
    yield made
    made.drop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty, migrated database; every test that uses it runs once on each kind."""
    if request.param == "sqlite":
        path = tmp_path / "soi.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    postgres = request.getfixturevalue("postgres")
    yield postgres.url
    postgres.recycle()


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


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of an embedded installation under the test's own folder."""
    return Settings(data_dir=tmp_path / "data", database_url=database_url, ui=False)


@pytest.fixture
def app(settings: Settings) -> Iterator[TestClient]:
    """The running app, in this process, without credentials. `app.app.state.services` reaches its inside."""
    with TestClient(create_app(settings), base_url=settings.public_url) as client:
        yield client


@pytest.fixture
def sign_in(app: TestClient) -> Callable[..., Client]:
    """sign_in("inspector", name="an") makes that person (once) and gives a client that acts as them."""

    def make(role: Role, name: str = "") -> Client:
        token = add_session(app.app.state.services.database, role, name or role)  # type: ignore[attr-defined]
        http = TestClient(app.app, base_url=str(app.base_url), headers={"Authorization": f"Bearer {token}"})
        return Client(http=http)

    return make


def add_session(database: Database, role: Role, name: str) -> str:
    """A session token of the person `name`, who is added when absent."""
    token = secrets.token_urlsafe(32)
    email = f"{name}@example.com"
    with database.write() as session:
        person = session.query(User).filter_by(email=email).one_or_none()
        if person is None:
            person = User(email=email, name=name, role=role)
            session.add(person)
            session.flush()
        session.add(
            UserSession(
                token_hash=hashlib.sha256(token.encode()).hexdigest(),
                user_id=person.id,
                expires_at=utc_now() + timedelta(hours=1),
            )
        )
    return token

"""Engines and the two session types. Read sessions cannot write; write sessions take the lock first."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

#: One writer at a time on SQLite: wait this long for the lock before giving up (milliseconds).
SQLITE_BUSY_TIMEOUT_MS = 10_000
#: A lost PostgreSQL is reported within the three seconds that the ingestion contract allows.
POSTGRES_CONNECT_TIMEOUT_S = 2
POOL_TIMEOUT_S = 2.5
#: Pages in SQLite's write-ahead log at which the connection that commits writes them back to the database file.
CHECKPOINT_PAGES = 1000


class StorageNotDurable(RuntimeError):
    """The database would acknowledge a commit before it is on disk."""


class ReadSession(Session):
    """A session that refuses to flush changes."""

    def flush(self, objects: Any = None) -> None:
        if self.new or self.dirty or self.deleted:
            raise RuntimeError("a read session was asked to write")


class WriteSession(Session):
    """A session that may write. On SQLite its transaction begins IMMEDIATE, so it never fails half-way for the lock."""


class Database:
    """One engine with its two session factories.

    `checkpoint_pages` (SQLite): a process that answers people sets it higher than the worker's, which then does most
    of the writing back.
    """

    def __init__(self, url: str, *, pool_size: int = 10, checkpoint_pages: int = CHECKPOINT_PAGES) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        make = partial(_sqlite_engine, checkpoint_pages=checkpoint_pages) if self.is_sqlite else _postgres_engine
        self.engine = make(url, pool_size)
        self._writing = threading.Lock()
        self._readers = sessionmaker(self.engine, class_=ReadSession, expire_on_commit=False)
        self._writers = sessionmaker(self.engine, class_=WriteSession, expire_on_commit=False)

    @contextmanager
    def read(self) -> Iterator[ReadSession]:
        """A snapshot: everything read inside sees one state of the database."""
        with self._readers() as session:
            if not self.is_sqlite:
                session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            yield session

    @contextmanager
    def write(self) -> Iterator[WriteSession]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self._turn(), self._writers() as session:
            if self.is_sqlite:
                session.connection(execution_options={"soi_immediate": True})
            with session.begin_nested() if session.in_nested_transaction() else _commit(session):
                yield session

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """On SQLite the writers of one process queue up here.

        SQLite itself makes a second writer sleep and try again, longer each time: with eight people at the review
        queue the slowest claims took 430 ms so, and 15 ms when they wait for each other here.
        """
        if not self.is_sqlite:
            yield
            return
        if not self._writing.acquire(timeout=SQLITE_BUSY_TIMEOUT_MS / 1000):
            raise PoolTimeout("the database was busy with other writes for too long")
        try:
            yield
        finally:
            self._writing.release()

    def check_durability(self) -> None:
        """Raise StorageNotDurable when an acknowledged commit could be lost.

        SQLite is set to synchronous=FULL by us; PostgreSQL is asked for synchronous_commit and fsync.
        """
        with self.engine.connect() as connection:
            if self.is_sqlite:
                if connection.execute(text("PRAGMA synchronous")).scalar_one() < 2:
                    raise StorageNotDurable("SQLite runs with synchronous below FULL")
                return
            for name in ("synchronous_commit", "fsync"):
                value = connection.execute(text(f"SHOW {name}")).scalar_one()
                if value == "off":
                    raise StorageNotDurable(
                        f"PostgreSQL runs with {name} = off: a crash would lose acknowledged events"
                    )

    def dispose(self) -> None:
        self.engine.dispose()


@contextmanager
def _commit(session: WriteSession) -> Iterator[None]:
    try:
        yield
        session.commit()
    except BaseException:
        session.rollback()
        raise


def _sqlite_engine(url: str, pool_size: int, *, checkpoint_pages: int) -> Engine:
    path = make_url(url).database
    if not path or path == ":memory:":
        raise ValueError("SQLite needs a file: an in-memory database would lose what it acknowledged")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=20,
        pool_timeout=POOL_TIMEOUT_S,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_TIMEOUT_MS}")
        # Some systems build SQLite to write zeros over every freed page: deleting sealed batches then writes as much
        # as logging them did (630 pages instead of 6 for two megabytes). FAST zeroes what costs no further page.
        cursor.execute("PRAGMA secure_delete=FAST")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.execute("PRAGMA cache_size=-8000")
        cursor.execute("PRAGMA journal_size_limit=134217728")
        cursor.execute(f"PRAGMA wal_autocheckpoint={checkpoint_pages}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        if connection.get_execution_options().get("soi_immediate", False):
            _begin_immediate(connection)
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def _begin_immediate(connection: Any) -> None:
    """Take the write lock, asking every millisecond for as long as SQLITE_BUSY_TIMEOUT_MS.

    SQLite's own waiting sleeps up to 100 ms between two tries, and another process that commits one thing after
    another holds the lock at nearly each of them: the logging door waited for seconds beside a busy worker.
    """
    until = time.monotonic() + SQLITE_BUSY_TIMEOUT_MS / 1000
    raw = connection.connection.dbapi_connection
    raw.execute("PRAGMA busy_timeout=2")
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
            else:
                return
    finally:
        raw.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_TIMEOUT_MS}")


def _postgres_engine(url: str, pool_size: int) -> Engine:
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=20,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=True,
        connect_args={"connect_timeout": POSTGRES_CONNECT_TIMEOUT_S, "options": "-c timezone=utc"},
    )

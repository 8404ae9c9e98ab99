"""`soi doctor`: is this installation able to work? One line per check, exit code 1 when one fails."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Literal

import httpx
import typer
from rich.markup import escape
from rich.table import Table
from sqlalchemy import text

from backend.commands.context import describe, embedded_file, settings_of, stdout
from backend.settings import Settings
from db.engine import Database
from db.migrations import runner
from db.repositories.unsealed import unsealed_models

Outcome = Literal["ok", "warning", "failed"]
#: Below this much free space logging would soon have to stop.
MIN_FREE_BYTES = 512 * 2**20
LOW_FREE_BYTES = 5 * 2**30
#: The database's clock and ours may differ by this much before times in charts become misleading.
MAX_CLOCK_S = 5.0
#: A worker says every few seconds that it is alive.
SILENT_WORKER_S = 60.0
_MARKS = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "failed": "[red]failed[/]"}


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check, in words."""

    name: str
    outcome: Outcome
    message: str


def run(ctx: typer.Context) -> None:
    """Check database, durability, lake, artifacts, disk, worker, port, torch and clock; fails when one fails."""
    settings = settings_of(ctx)
    table = Table("check", "", "finding", header_style="bold")
    checks = list(examine(settings))
    for check in checks:
        table.add_row(check.name, _MARKS[check.outcome], escape(check.message))
    stdout().print(table)
    if any(check.outcome == "failed" for check in checks):
        raise typer.Exit(1)


def examine(settings: Settings) -> Iterator[Check]:
    """All checks, one after the other; a check that raises has failed and says why."""
    path = embedded_file(settings)
    if path is not None and not path.exists():
        yield Check("database", "failed", f"there is no database at {path}: run `soi db upgrade`")
    else:
        database = Database(settings.database_url)
        try:
            for name, check in _DATABASE_CHECKS.items():
                yield _guarded(name, partial(check, database))
        finally:
            database.dispose()
    for name, plain in _CHECKS.items():
        yield _guarded(name, partial(plain, settings))


def _guarded(name: str, check: Callable[[], tuple[Outcome, str]]) -> Check:
    try:
        outcome, message = check()
    except Exception as error:  # noqa: BLE001 - whatever is broken here is the finding
        return Check(name, "failed", describe(error))
    return Check(name, outcome, message)


def _reachable(database: Database) -> tuple[Outcome, str]:
    with database.engine.connect() as connection:
        kind = "SQLite" if database.is_sqlite else "PostgreSQL"
        query = "SELECT sqlite_version()" if database.is_sqlite else "SHOW server_version"
        return "ok", f"{kind} {connection.execute(text(query)).scalar_one()} answers"


def _revision(database: Database) -> tuple[Outcome, str]:
    found, newest = runner.current(database), runner.revisions()[-1]
    if found == newest:
        return "ok", f"at revision {found}"
    return "failed", f"at revision {found}, this version needs {newest}: run `soi db upgrade`"


def _durability(database: Database) -> tuple[Outcome, str]:
    database.check_durability()
    return "ok", "a commit is on disk before it is acknowledged"


def _clock(database: Database) -> tuple[Outcome, str]:
    with database.engine.connect() as connection:
        if database.is_sqlite:
            stored = connection.execute(text("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")).scalar_one()
            theirs = datetime.fromisoformat(stored).replace(tzinfo=UTC)
        else:
            theirs = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    off_s = abs((datetime.now(UTC) - theirs).total_seconds())
    if datetime.now(UTC).year < 2025:
        return "failed", f"the clock says {datetime.now(UTC):%Y-%m-%d}: set it before logging anything"
    if off_s > MAX_CLOCK_S:
        return "failed", f"the database's clock differs by {off_s:.1f} s from this machine's"
    return "ok", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC, {off_s * 1000:.0f} ms from the database's"


def _worker(database: Database) -> tuple[Outcome, str]:
    with database.read() as session:
        waiting = unsealed_models(session)
        beat = session.execute(text("SELECT max(heartbeat_at) FROM workers")).scalar_one()
    oldest = min((hot.oldest_at for hot in waiting), default=None)
    said = f"{sum(hot.n_events for hot in waiting):,} events wait to be sealed, " + (
        f"worker heard of {_as_time(beat)}" if beat else "no worker"
    )
    if beat is not None and _parsed(beat) < datetime.now(UTC) - timedelta(seconds=SILENT_WORKER_S):
        return "warning", f"{said}: it is silent since then"
    if oldest is not None and _parsed(oldest) < datetime.now(UTC) - timedelta(minutes=10):
        return "warning", f"{said}; the oldest waits since {_as_time(oldest)}: is a worker running?"
    return "ok", said


def _parsed(value: datetime | str) -> datetime:
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _as_time(value: datetime | str) -> str:
    return f"{_parsed(value):%Y-%m-%d %H:%M} UTC"


def _writable(uri: str) -> tuple[Outcome, str]:
    if "://" in uri and not uri.startswith("file://"):
        return _writable_remote(uri)
    folder = Path(uri.removeprefix("file://"))
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".doctor-{uuid.uuid4().hex}"
    probe.write_bytes(b"soi")
    probe.unlink()
    return "ok", f"{folder} is writable"


def _writable_remote(uri: str) -> tuple[Outcome, str]:
    import fsspec

    target = f"{uri.rstrip('/')}/.doctor-{uuid.uuid4().hex}"
    filesystem, path = fsspec.core.url_to_fs(target)
    filesystem.pipe_file(path, b"soi")
    filesystem.rm_file(path)
    return "ok", f"{uri} is writable"


def _lake(settings: Settings) -> tuple[Outcome, str]:
    return _writable(settings.lake_uri)


def _artifacts(settings: Settings) -> tuple[Outcome, str]:
    return _writable(settings.artifacts_uri)


def _space(settings: Settings) -> tuple[Outcome, str]:
    folder = settings.data_dir.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    said = f"{free / 2**30:.1f} GiB free at {folder}"
    if free < MIN_FREE_BYTES:
        return "failed", said
    return ("warning" if free < LOW_FREE_BYTES else "ok"), said


def _port(settings: Settings) -> tuple[Outcome, str]:
    address = f"{settings.host}:{settings.port}"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return _who_listens(settings, address, error)
    return "ok", f"{address} is free"


def _who_listens(settings: Settings, address: str, error: OSError) -> tuple[Outcome, str]:
    begun = time.monotonic()
    try:
        answer = httpx.get(f"http://{address}/healthz", timeout=3, trust_env=False)
    except httpx.HTTPError:
        return "failed", f"{address} cannot be used: {error.strerror or error}"
    if answer.is_success:
        return "ok", f"Soi answers at {address} in {(time.monotonic() - begun) * 1000:.0f} ms"
    return "failed", f"{address} is taken by another program"


def _torch(_: Settings) -> tuple[Outcome, str]:
    if importlib.util.find_spec("torch") is None:
        return "warning", "not installed: local model files cannot be served or retrained (pip install 'soi[torch]')"
    from importlib.metadata import version

    return "ok", f"torch {version('torch')}"


_DATABASE_CHECKS: dict[str, Callable[[Database], tuple[Outcome, str]]] = {
    "database": _reachable,
    "revision": _revision,
    "durability": _durability,
    "clock": _clock,
    "worker": _worker,
}
_CHECKS: dict[str, Callable[[Settings], tuple[Outcome, str]]] = {
    "lake": _lake,
    "artifacts": _artifacts,
    "disk space": _space,
    "port": _port,
    "torch": _torch,
}

"""A real API process for benchmarks: its own data folder and database, a key with all logging rights, one model."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from backend.auth.tokens import hash_token
from db.engine import Database
from db.migrations.runner import upgrade
from db.models.model import Model
from db.models.person import ApiKey

ROOT = Path(__file__).resolve().parent.parent
NUMBERS = tuple(f"x{n}" for n in range(10))
CATEGORIES = ("material", "shift")


@dataclass(frozen=True, slots=True)
class Server:
    """A running API: where it listens, the key it takes, its process and its data."""

    port: int
    key: str
    process: subprocess.Popen[bytes]
    data_dir: Path
    database_url: str
    model_id: str

    def memory_mb(self, field: str = "VmRSS") -> float:
        """Memory of the process in MB; field VmHWM gives its peak."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
        return float("nan")

    def cpu_s(self) -> float:
        """Processor seconds that the process has used."""
        parts = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def prepare(data_dir: Path, database_url: str) -> tuple[str, str]:
    """A migrated database with one model and one key; returns (key, model id)."""
    key = "soi_" + secrets.token_urlsafe(32)
    database = Database(database_url)
    upgrade(database)
    with database.write() as session:
        inputs = [{"name": name, "type": "number"} for name in NUMBERS]
        inputs += [{"name": name, "type": "string"} for name in CATEGORIES]
        model = Model(name="bench", item_kind="tabular", inputs=inputs, segment_keys=["line"])
        session.add(model)
        scopes = ["events:write", "events:read", "aggregates:read", "models:read"]
        session.add(ApiKey(name="bench", key_hash=hash_token(key), prefix=key[:8], scopes=scopes))
        session.flush()
        model_id = model.id
    database.dispose()
    return key, model_id


def _environment(data_dir: Path, database_url: str, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "SOI_DATA_DIR": str(data_dir),
        "SOI_DATABASE_URL": database_url,
        "SOI_UI": "false",
        "SOI_PORT": str(port),
        "SOI_LOG_LEVEL": "warning",
        "SOI_BOOTSTRAP_TOKEN": secrets.token_urlsafe(32),
    }


def start_process(data_dir: Path, database_url: str, port: int) -> subprocess.Popen[bytes]:
    """Start `soi api` in a process of its own and wait until it answers."""
    command = [sys.executable, "-m", "backend.cli", "api", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, env=_environment(data_dir, database_url, port), cwd=ROOT)
    wait_ready(port, process)
    return process


def wait_ready(port: int, process: subprocess.Popen[bytes], timeout_s: float = 90) -> None:
    """Return when the API answers its liveness check."""
    opener = build_opener(ProxyHandler({}))
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the API ended with {process.returncode}")
        try:
            with opener.open(f"http://127.0.0.1:{port}/healthz", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the API did not start in time")


@contextmanager
def running(data_dir: Path, database_url: str = "", *, with_worker: bool = False) -> Iterator[Server]:
    """A prepared and started API, with a worker beside it if wanted; stopped at the end."""
    url = database_url or f"sqlite:///{data_dir / 'soi.db'}"
    key, model_id = prepare(data_dir, url)
    with serving(data_dir, url, key, model_id, with_worker=with_worker) as server:
        yield server


@contextmanager
def serving(
    data_dir: Path, database_url: str, key: str, model_id: str = "", *, with_worker: bool = False
) -> Iterator[Server]:
    """An API over data that is there already; stopped at the end."""
    port = free_port()
    server = Server(port, key, start_process(data_dir, database_url, port), data_dir, database_url, model_id)
    try:
        with worker_beside(server) if with_worker else nullcontext():
            yield server
    finally:
        _end(server.process)


@contextmanager
def worker_beside(server: Server, **environment: str) -> Iterator[None]:
    """`soi worker` on the server's data, with further settings; stopped at the end."""
    command = [sys.executable, "-m", "backend.cli", "worker"]
    settings = {**_environment(server.data_dir, server.database_url, server.port), **environment}
    process = subprocess.Popen(command, env=settings, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""What others' writes cost the logging door: waits of single events at a steady load, with one writer at a time beside.

Run: python -m benchmarks.beside [--rate 500] [--seconds 8]. The load is open: events are sent by the clock, whether or
not earlier ones were answered, and a wait counts from the moment an event was due. Loopback only; ends by itself.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.ingest import PATH, make_lines
from benchmarks.load import Report, drive_at, request_bytes
from benchmarks.queue import fill
from benchmarks.seal import APPEND_ROWS, make_table
from benchmarks.server import ROOT, Server, running, worker_beside
from benchmarks.writers import label
from db.engine import Database
from db.eventlog.log import EventLog

N_ITEMS, N_LABELS = 20_000, 20_000
BUDGET_MS = 25.0
#: What writes beside the door, and which process of benchmarks.writers does it.
WRITERS = {"a seal": "seal", "an inspector": "inspector", "a dataset job": "job"}


def add_backlog(server: Server, n_events: int) -> None:
    """Hot events for the seal to work on."""
    database = Database(server.database_url)
    log = EventLog(database, str(server.data_dir / "lake"))
    log.start()
    spec, now = log.models.by_id(server.model_id), datetime.now(UTC)
    for first in range(0, n_events, 250_000):
        n = min(250_000, n_events - first)
        table = make_table(spec, n, now - timedelta(minutes=30), timedelta(minutes=20), first)
        for place in range(0, n, APPEND_ROWS):
            log.append(server.model_id, table.slice(place, APPEND_ROWS))
    log.close()
    database.dispose()


@contextmanager
def writer(kind: str, server: Server, token: str) -> Iterator[list[str]]:
    """A writing process beside the door; what it says at its end is put into the list."""
    said: list[str] = []
    command = [sys.executable, "-m", "benchmarks.writers", kind, "--model-id", server.model_id]
    command += ["--database-url", server.database_url, "--data-dir", str(server.data_dir)]
    command += ["--api", f"http://127.0.0.1:{server.port}"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "SOI_BENCH_TOKEN": token}
    )
    try:
        yield said
        said.append(process.communicate(timeout=30)[0].decode().strip())
    finally:
        process.kill()
        process.wait()


@contextmanager
def beside(name: str, server: Server, token: str) -> Iterator[list[str]]:
    """What writes beside the door meanwhile."""
    if name == "nothing":
        yield []
    elif name == "a whole worker":
        with worker_beside(server, SOI_SEAL_SECONDS="1"):
            yield ["looks through every event, seals each second"]
    else:
        with writer(WRITERS[name], server, token) as said:
            yield said


def measure(server: Server, lines: list[bytes], rate: float, n_warm: int) -> Report:
    """One event a request at `rate` a second; the first ones do not count."""
    requests = [request_bytes(PATH, server.key, "application/json", line) for line in lines]
    drive_at(server.port, requests[:n_warm], rate=rate, clients=64)
    return drive_at(server.port, requests[n_warm:], rate=rate, clients=64)


def show(name: str, report: Report, said: list[str]) -> None:
    good = set(report.statuses) <= {200, 201}
    quantiles = "".join(f"{report.quantile_ms(q):9.1f}" for q in (0.5, 0.95, 0.99, 1.0))
    print(
        f"{name:26}{sum(report.statuses.values()):8,}{quantiles}   load {os.getloadavg()[0]:4.1f}"
        f"  {'; '.join(said)}{'' if good else '  STATUSES ' + str(report.statuses)}",
        flush=True,
    )


def run(server: Server, rate: float, seconds: float, n_backlog: int) -> None:
    database = Database(server.database_url)
    [token, *_] = fill(database, N_ITEMS, 1)
    label(database, server.model_id, N_LABELS)
    database.dispose()
    print(f"{'beside the door':26}{'events':>8}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'max ms':>9}")
    n, n_warm = int(rate * seconds), int(rate)
    for number, name in enumerate(("nothing", *WRITERS, "a whole worker")):
        lines = make_lines(n + n_warm, 100 + number)
        if name in ("a seal", "a whole worker"):
            add_backlog(server, n_backlog)
        with beside(name, server, token) as said:
            time.sleep(0 if name == "nothing" else 2.5)
            report = measure(server, lines, rate, n_warm)
        show(name, report, said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500, help="events a second")
    parser.add_argument("--seconds", type=float, default=8, help="length of each measurement")
    parser.add_argument("--backlog", type=int, default=1_000_000, help="hot events before each of the two seals")
    parser.add_argument("--database-url", default="", help="an empty database; default: SQLite in a temporary folder")
    parser.add_argument("--folder", default=None, help="where the temporary data lies")
    chosen = parser.parse_args()
    print(platform.platform(), f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name, running(Path(name), chosen.database_url) as server:
        print(
            f"database {server.database_url.split(':')[0]}, {chosen.rate:.0f} single events a second"
            f" (p99 < {BUDGET_MS:.0f} ms)"
        )
        run(server, chosen.rate, chosen.seconds, chosen.backlog)


if __name__ == "__main__":
    main()

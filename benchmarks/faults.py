"""kill -9 in mid flight: an API and a sealing worker die at random points while four clients log with retries.

Afterwards every acknowledged event must be readable exactly once and the roll-ups must count each event once.
Run: python -m benchmarks.faults [--cycles 200] [--database-url URL]. Loopback only; ends after the cycles.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.server import ROOT, free_port, prepare, start_process
from db.engine import Database
from db.eventlog.log import EventLog
from db.eventlog.seal import LeaseLost, seal

N_CLIENTS = 4


def work(database_url: str, lake_uri: str, model_id: str) -> None:
    """The worker process: seal what is hot, in small slices, for ever."""
    database = Database(database_url)
    owner = f"worker-{os.getpid()}"
    while True:
        with suppress(LeaseLost):
            if seal(database, lake_uri, model_id, owner=owner, max_rows=500):
                continue
        time.sleep(0.02)


@dataclass
class Client(threading.Thread):
    """Logs batches with own ids and sends each again, unchanged, until it is acknowledged."""

    number: int
    port: int
    key: str
    stop: threading.Event
    acknowledged: set[str] = field(default_factory=set)
    n_failures: int = 0
    n_repeats: int = 0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return self.number

    def run(self) -> None:
        rng = random.Random(self.number)
        n = 0
        while not self.stop.is_set():
            size = rng.choice((1, 1, 5, 50))
            ids = [f"client-{self.number}-{n + place}" for place in range(size)]
            n += size
            at = datetime.now(UTC).isoformat()
            body = "\n".join(self._event(event_id, at, rng) for event_id in ids)
            while not self._post(body):
                self.n_failures += 1
                time.sleep(0.05)
            self.acknowledged.update(ids)

    def _event(self, event_id: str, at: str, rng: random.Random) -> str:
        inputs = {"x0": rng.random(), "material": "alpha"}
        return json.dumps({"id": event_id, "version": "v1", "happened_at": at, "inputs": inputs, "prediction": "ok"})

    def _post(self, body: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/x-ndjson"}
        try:
            connection.request("POST", "/v1/predictions?model=bench", body, headers)
            answer = connection.getresponse()
            result = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()
        if answer.status == 503:
            return False
        if answer.status not in (200, 201, 207) or result["n_refused"]:
            raise RuntimeError(f"unexpected answer {answer.status}: {result}")
        self.n_repeats += result["n_duplicate"]
        return True


class Rig:
    """The two processes that get killed."""

    def __init__(self, data_dir: Path, database_url: str) -> None:
        self.data_dir = data_dir
        self.database_url = database_url
        self.lake_uri = str(data_dir / "lake")
        self.key, self.model_id = prepare(data_dir, database_url)
        self.port = free_port()
        self.api = start_process(data_dir, database_url, self.port)
        self.worker = self._start_worker()

    def _start_worker(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "benchmarks.faults", "--work", self.model_id]
        command += ["--database-url", self.database_url, "--lake", self.lake_uri]
        return subprocess.Popen(command, cwd=ROOT)

    def kill_one(self, rng: random.Random) -> str:
        """Kill the API, the worker or both without warning, and start them again."""
        what = rng.choice(("api", "worker", "worker", "both"))
        if what != "api":
            _kill(self.worker)
        if what != "worker":
            _kill(self.api)
            self.api = start_process(self.data_dir, self.database_url, self.port)
        if what != "api":
            self._release_lease()
            self.worker = self._start_worker()
        return what

    def _release_lease(self) -> None:
        """End the dead worker's lease, which otherwise lasts two minutes."""
        from sqlalchemy import text

        database = Database(self.database_url)
        with database.write() as session:
            past = datetime.now(UTC) - timedelta(days=1)
            session.execute(
                text("UPDATE seals SET lease_until = :past WHERE state = 'claimed'"), {"past": _stored(database, past)}
            )
        database.dispose()

    def close(self) -> None:
        _kill(self.worker)
        _kill(self.api)


def _stored(database: Database, at: datetime) -> object:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f") if database.is_sqlite else at


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    process.wait()


def run(data_dir: Path, database_url: str, cycles: int, seed: int) -> bool:
    """One drill; prints what was found and returns whether every promise held."""
    rng = random.Random(seed)
    rig = Rig(data_dir, database_url)
    stop = threading.Event()
    clients = [Client(number, rig.port, rig.key, stop) for number in range(N_CLIENTS)]
    for client in clients:
        client.start()
    killed = []
    try:
        for _ in range(cycles):
            time.sleep(rng.uniform(0.1, 1.2))
            killed.append(rig.kill_one(rng))
        time.sleep(0.5)
        stop.set()
        for client in clients:
            client.join(timeout=30)
    finally:
        rig.close()
    rig._release_lease()
    acknowledged = set().union(*(client.acknowledged for client in clients))
    facts = check(rig, acknowledged)
    facts["kills"] = {name: killed.count(name) for name in sorted(set(killed))}
    facts["failed requests"] = sum(client.n_failures for client in clients)
    facts["repeats answered as duplicates"] = sum(client.n_repeats for client in clients)
    alive = sum(client.is_alive() for client in clients)
    print(json.dumps(facts))
    return not (facts["lost"] or facts["stored twice"] or facts["roll-up difference"] or alive) and bool(acknowledged)


def check(rig: Rig, acknowledged: set[str]) -> dict[str, object]:
    """Compare what was acknowledged with what can be read, before and after everything is sealed."""
    database = Database(rig.database_url)
    log = EventLog(database, rig.lake_uri)
    facts: dict[str, object] = {"acknowledged": len(acknowledged)}
    lost = twice = difference = 0
    for is_sealed in (False, True):
        while is_sealed and seal(database, rig.lake_uri, rig.model_id, owner="check"):
            pass
        ids = log.read(rig.model_id, None, None, columns=["event_id"]).column("event_id").to_pylist()
        lost += len(acknowledged.difference(ids))
        twice += len(ids) - len(set(ids))
        start, end = datetime.now(UTC) - timedelta(days=3), datetime.now(UTC) + timedelta(days=1)
        for grain_s in (300, 3600, 86_400):
            cells = log.rollup_cells(rig.model_id, grain_s, start, end, columns=["n_events"])
            difference += abs(sum(cells.column("n_events").to_pylist()) - len(ids))
    facts.update({"lost": lost, "stored twice": twice, "roll-up difference": difference})
    log.close()
    database.dispose()
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database-url", default="", help="an empty database; default: SQLite in a temporary folder")
    parser.add_argument("--folder", default=None, help="where the temporary data lies")
    parser.add_argument("--lake", default="", help=argparse.SUPPRESS)
    parser.add_argument("--work", default="", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        work(chosen.database_url, chosen.lake, chosen.work)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        url = chosen.database_url or f"sqlite:///{folder / 'soi.db'}"
        sys.exit(0 if run(folder, url, chosen.cycles, chosen.seed) else 1)


if __name__ == "__main__":
    main()

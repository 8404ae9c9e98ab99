"""How fast hot events move into the lake with their roll-ups, how long the write lock is held, and bytes per event.

Run: python -m benchmarks.seal [--rows 1000000] [--database-url URL].
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa

from backend.drift.references import create_from_log
from backend.drift.schemas import ReferenceCreate
from benchmarks.server import CATEGORIES, NUMBERS, prepare
from db.engine import Database
from db.eventlog.columns import constant, finish
from db.eventlog.ids import make_ids
from db.eventlog.log import EventLog
from db.eventlog.schema import UTC_US, ModelSpec
from db.eventlog.seal import seal
from db.models.model import Model

APPEND_ROWS = 10_000


def make_table(spec: ModelSpec, n: int, start: datetime, span: timedelta, seed: int) -> pa.Table:
    """Events with 10 random numbers, 2 categories and random ids, spread over a span of time."""
    rng = np.random.default_rng(seed)
    columns = {column.name: pa.nulls(n, column.type) for column in spec.stored}
    step = span.total_seconds() * 1e6 / n
    first = int(start.timestamp() * 1e6)
    times = pa.array(first + (np.arange(n) * step).astype(np.int64), pa.int64()).cast(UTC_US)
    ids = make_ids(n).to_pylist()
    rng.shuffle(ids)
    columns.update(
        event_id=pa.array([text[24:] + text[8:24] + text[:8] for text in ids]),
        version=constant("v1", n, pa.string()),
        role=constant("champion", n, pa.string()),
        status=constant("ok", n, pa.string()),
        happened_at=times,
        logged_at=times,
        prediction=pa.array(rng.choice(["ok", "defect"], n)),
        score=pa.array(rng.random(n).round(6)),
        latency_ms=pa.array(rng.lognormal(3, 0.5, n).round(3)),
        seg_line=pa.array(rng.choice(["L1", "L2", "L3"], n)),
    )
    columns.update({"in_" + name: pa.array(rng.normal(size=n)) for name in NUMBERS})
    columns.update({"in_" + name: pa.array(rng.choice(["alpha", "beta", "gamma"], n)) for name in CATEGORIES})
    return pa.Table.from_batches([finish(columns, spec, n)])


class Door(threading.Thread):
    """Appends one small batch after another while the seal runs, and remembers how long each took."""

    def __init__(self, log: EventLog, model_id: str, table: pa.Table) -> None:
        super().__init__(daemon=True)
        self.log, self.model_id, self.table = log, model_id, table
        self.stop = threading.Event()
        self.waits: list[float] = []

    def run(self) -> None:
        place = 0
        while not self.stop.is_set() and place < self.table.num_rows:
            begin = time.perf_counter()
            self.log.append(self.model_id, self.table.slice(place, 1))
            self.waits.append(time.perf_counter() - begin)
            place += 1
            time.sleep(0.002)


def freeze(database: Database, log: EventLog, model_id: str, now: datetime) -> None:
    """A drift reference of what is logged so far, so that each seal counts every feature on its bins."""
    with database.read() as session:
        model = session.get_one(Model, model_id)
    wish = ReferenceCreate(model=model.name, start=now - timedelta(hours=2), end=now)
    create_from_log(database, log, "benchmark", model, wish, now)


def run(folder: Path, database_url: str, n_rows: int, *, with_reference: bool) -> None:
    _, model_id = prepare(folder, database_url)
    database = Database(database_url)
    lake_uri = str(folder / "lake")
    log = EventLog(database, lake_uri)
    log.start()
    spec = log.models.by_id(model_id)
    now = datetime.now(UTC)
    for first in range(0, n_rows, 250_000):
        table = make_table(
            spec, min(250_000, n_rows - first), now - timedelta(minutes=30), timedelta(minutes=20), first
        )
        for place in range(0, table.num_rows, APPEND_ROWS):
            log.append(model_id, table.slice(place, APPEND_ROWS))
    if with_reference:
        freeze(database, log, model_id, now)
    door = Door(log, model_id, make_table(spec, 20_000, now, timedelta(minutes=1), n_rows + 1))
    door.start()
    begin, used, sealed = time.perf_counter(), time.process_time(), 0
    while sealed < n_rows:
        sealed += seal(database, lake_uri, model_id, owner="benchmark")
    seconds, processor = time.perf_counter() - begin, time.process_time() - used
    door.stop.set()
    door.join()
    n_bytes = sum(file.stat().st_size for file in (folder / "lake" / "events").rglob("*.parquet"))
    waits = sorted(door.waits)
    print(f"sealed {sealed:,} rows in {seconds:.2f} s: {sealed / seconds:,.0f} rows/s (>= 250,000)")
    print(f"{processor / sealed * 1e6:.2f} us of processor time a row, drift reference: {with_reference}")
    print(f"{n_bytes / sealed:.0f} bytes per event in the lake (<= 150)")
    print(f"one event at the door meanwhile: p50 {waits[len(waits) // 2] * 1e3:.1f} ms, max {waits[-1] * 1e3:.0f} ms")
    log.close()
    database.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database-url", default="", help="an empty database; default: SQLite in a temporary folder")
    parser.add_argument("--reference", action="store_true", help="count every feature on a drift reference too")
    parser.add_argument("--folder", default=None, help="where the temporary data lies")
    chosen = parser.parse_args()
    print(platform.platform(), f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(*(f"{name} {version(name)}" for name in ("deltalake", "pyarrow", "sqlalchemy")))
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        url = chosen.database_url or f"sqlite:///{folder / 'soi.db'}"
        run(folder, url, chosen.rows, with_reference=chosen.reference)


if __name__ == "__main__":
    main()

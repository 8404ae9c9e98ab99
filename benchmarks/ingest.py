"""How fast events become durable and queryable, as ratios to what this machine can do in the same run.

Run: python -m benchmarks.ingest [--database-url URL]. Loopback only; every step is bounded in time and count.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.json as pj

from benchmarks.load import Report, drive, request_bytes
from benchmarks.plain_api import plain_api
from benchmarks.server import CATEGORIES, NUMBERS, Server, running
from db.eventlog.schema import InputField, ModelSpec, wire_schema

PATH = "/v1/predictions?model=bench"
MAX_S = 15.0


def make_lines(n: int, seed: int) -> list[bytes]:
    """Events of about 500 bytes: 10 numbers, 2 categories, an own id."""
    rng = np.random.default_rng(seed)
    at = datetime.now(UTC).isoformat()
    ids = _uuids(rng, 2 * n)
    numbers = np.round(rng.normal(size=(n, len(NUMBERS))), 6).tolist()
    words = rng.choice(("alpha", "beta", "gamma", "delta"), (n, len(CATEGORIES))).tolist()
    labels, lines = rng.choice(("ok", "defect"), n).tolist(), rng.choice(("L1", "L2", "L3"), n).tolist()
    scores, waits = np.round(rng.random(n), 6).tolist(), np.round(rng.lognormal(3, 0.5, n), 3).tolist()
    return [
        orjson.dumps(
            {
                "id": ids[row],
                "version": "v1",
                "happened_at": at,
                "request_id": ids[n + row],
                "inputs": dict(zip((*NUMBERS, *CATEGORIES), (*numbers[row], *words[row]), strict=True)),
                "prediction": labels[row],
                "score": scores[row],
                "latency_ms": waits[row],
                "segments": {"line": lines[row]},
            }
        )
        for row in range(n)
    ]


def _uuids(rng: np.random.Generator, n: int) -> list[str]:
    raw = rng.bytes(16 * n).hex()
    return [
        f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        for text in (raw[place : place + 32] for place in range(0, len(raw), 32))
    ]


def machine_limit(bodies: list[bytes], folder: Path) -> float:
    """Events per second of parsing the same bodies with pyarrow and writing their bytes with fsync."""
    inputs = tuple(InputField(name, "number") for name in NUMBERS)
    inputs += tuple(InputField(name, "string") for name in CATEGORIES)
    schema = wire_schema(ModelSpec("", "bench", inputs=inputs, segment_keys=("line",)))
    options = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    n = 0
    begin = time.perf_counter()
    with (folder / "limit.bin").open("wb") as file:
        for body in bodies:
            n += pj.read_json(io.BytesIO(body), parse_options=options).num_rows
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
    return n / (time.perf_counter() - begin)


def show(name: str, n: int, report: Report, server: Server, cpu_s: float, **more: str) -> float:
    rate = n / report.seconds
    facts = "  ".join(f"{key} {value}" for key, value in more.items())
    good = set(report.statuses) <= {200, 201}
    print(
        f"{name:34} {rate:12,.0f} events/s  p50 {report.quantile_ms(0.5):7.1f} ms"
        f"  p99 {report.quantile_ms(0.99):7.1f} ms"
        f"  server {cpu_s / n * 1e6:6.2f} us/event  client {report.cpu_s / n * 1e6:5.2f} us/event"
        f"  {server.memory_mb('VmHWM'):4.0f} MB peak  load {os.getloadavg()[0]:.1f}  {facts}"
        f"{'' if good else '  STATUSES ' + str(report.statuses)}"
    )
    return rate


def bulk(server: Server, size: int, n_requests: int, clients: int, folder: Path, seed: int) -> None:
    """NDJSON of `size` events a request, beside the machine's limit on the same bytes."""
    lines = make_lines(size * n_requests, seed)
    bodies = [b"\n".join(lines[place : place + size]) for place in range(0, len(lines), size)]
    limit = machine_limit(bodies, folder)
    requests = [request_bytes(PATH, server.key, "application/x-ndjson", body) for body in bodies]
    before = server.cpu_s()
    report = drive(server.port, requests, clients=clients, max_seconds=MAX_S)
    n = size * sum(report.statuses.values())
    rate = n / report.seconds
    show(
        f"NDJSON {size:,} a request, {clients} clients",
        n,
        report,
        server,
        server.cpu_s() - before,
        limit=f"{limit:,.0f}/s",
        ratio=f"{rate / limit:.2f} (>= 0.45)",
    )


def arrow(server: Server, size: int, n_requests: int, seed: int) -> None:
    """Arrow streams of `size` events a request."""
    requests = []
    for place in range(n_requests):
        rows = [json.loads(line) for line in make_lines(size, seed * 1000 + place)]
        now = datetime.now(UTC)
        columns: dict[str, Any] = {
            "id": [row["id"] for row in rows],
            "version": ["v1"] * size,
            "happened_at": pa.array([now] * size, pa.timestamp("us", tz="UTC")),
            "prediction": [row["prediction"] for row in rows],
            "score": [row["score"] for row in rows],
            "latency_ms": [row["latency_ms"] for row in rows],
            "seg_line": [row["segments"]["line"] for row in rows],
        }
        columns.update({"in_" + name: [row["inputs"][name] for row in rows] for name in (*NUMBERS, *CATEGORIES)})
        table = pa.table(columns)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        body = sink.getvalue().to_pybytes()
        requests.append(request_bytes(PATH, server.key, "application/vnd.apache.arrow.stream", body))
    before = server.cpu_s()
    report = drive(server.port, requests, clients=2, max_seconds=MAX_S)
    n = size * sum(report.statuses.values())
    show(f"Arrow {size:,} a request, 2 clients", n, report, server, server.cpu_s() - before, target=">= 600,000/s")


def single(server: Server, n: int, clients: int, seed: int) -> None:
    """One event a request, beside a plain FastAPI route that only parses and answers the same requests."""
    requests = [request_bytes(PATH, server.key, "application/json", line) for line in make_lines(n, seed)]
    with plain_api() as port:
        drive(port, requests[:200], clients=clients, max_seconds=MAX_S)
        plain = drive(port, requests[200:], clients=clients, max_seconds=MAX_S)
    floor = sum(plain.statuses.values()) / plain.seconds
    drive(server.port, requests[:200], clients=clients, max_seconds=MAX_S)
    before = server.cpu_s()
    report = drive(server.port, requests[200:], clients=clients, max_seconds=MAX_S)
    answered = sum(report.statuses.values())
    rate = answered / report.seconds
    show(
        f"one event a request, {clients} clients",
        answered,
        report,
        server,
        server.cpu_s() - before,
        plain=f"{floor:,.0f}/s, p99 {plain.quantile_ms(0.99):.1f} ms",
        ratio=f"{rate / floor:.2f}",
        target=">= 6,000/s, p99 < 25 ms",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database-url", default="", help="an empty database; default: SQLite in a temporary folder")
    parser.add_argument("--only", choices=("bulk", "arrow", "single"), help="run one part")
    parser.add_argument("--worker", action="store_true", help="let a worker triage and seal meanwhile")
    parser.add_argument("--folder", default=None, help="where the temporary data lies")
    chosen = parser.parse_args()
    steps: dict[str, Callable[[Server, Path], None]] = {
        "bulk": _bulk_steps,
        "arrow": lambda server, folder: arrow(server, 10_000, 40, 5),
        "single": lambda server, folder: single(server, 30_000, 32, 6),
    }
    names = ("uvicorn", "fastapi", "pyarrow", "sqlalchemy")
    print(
        platform.platform(),
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        *(f"{n} {version(n)}" for n in names),
    )
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        with running(folder, chosen.database_url, with_worker=chosen.worker) as server:
            beside = ", a worker beside it" if chosen.worker else ""
            print(f"database {server.database_url.split(':')[0]}, API with keys checked, one process{beside}")
            for step, run in steps.items():
                if chosen.only in (None, step):
                    run(server, folder)
            print(f"memory after all: {server.memory_mb():.0f} MB (peak {server.memory_mb('VmHWM'):.0f}, < 300)")


def _bulk_steps(server: Server, folder: Path) -> None:
    bulk(server, 1_000, 100, 4, folder, 1)
    bulk(server, 1_000, 300, 4, folder, 2)
    bulk(server, 10_000, 40, 2, folder, 3)


if __name__ == "__main__":
    main()

"""How long every Health chart takes over thirty days, through the API, with one and with ten million predictions.

Run: python -m benchmarks.charts [--sizes 1000000,10000000] [--postgres URL]. The cost of a chart follows its time
buckets, so the figures must not grow with the number of predictions.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import secrets
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from fastapi.testclient import TestClient

from backend.auth.tokens import hash_token
from backend.client import Client
from backend.main import create_app
from backend.settings import Settings
from db.analytics.catalog import MEASURES
from db.base import new_id
from db.eventlog.log import EventLog
from db.eventlog.schema import spec_of
from db.eventlog.seal import seal
from db.migrations.runner import upgrade
from db.models.model import Model
from db.models.person import ApiKey
from db.models.review import Decision, GroundTruth

DAYS = 30
SLICE = 100_000
N_DECISIONS = 10_000
LABELS = ("ok", "open", "short", "spur")


def add_model(eventlog: EventLog) -> Model:
    with eventlog.database.write() as session:
        model = Model(
            name="bench",
            item_kind="tabular",
            labels=[{"name": name, "is_defect": name != "ok"} for name in LABELS],
            inputs=[{"name": name, "type": "number"} for name in ("brightness", "contrast")],
            segment_keys=["line"],
        )
        session.add(model)
    return model


def add_key(eventlog: EventLog) -> str:
    """A key that may read aggregates."""
    key = "soi_" + secrets.token_urlsafe(32)
    with eventlog.database.write() as session:
        session.add(ApiKey(name="bench", key_hash=hash_token(key), prefix=key[:8], scopes=["aggregates:read"]))
    return key


def make_rows(model: Model, start: datetime, first: int, n: int, n_total: int, rng: np.random.Generator) -> pa.Table:
    """`n` stored rows of `n_total` spread evenly over the days, from row number `first` on; every fifth is a shadow."""
    schema = spec_of(model).stored
    place = np.arange(first, first + n)
    step_us = DAYS * 86_400 * 1_000_000 / n_total
    at = pa.array(int(start.timestamp() * 1e6) + (place * step_us).astype(np.int64)).cast(pa.timestamp("us", tz="UTC"))
    is_shadow = place % 5 == 4
    text = pa.array(place).cast(pa.string())
    labels = pa.array(rng.choice(LABELS, n, p=(0.9, 0.05, 0.03, 0.02)))
    columns: dict[str, Any] = {
        "event_id": text,
        "subject_id": pa.array(place - is_shadow).cast(pa.string()),
        "version": pa.array(np.where(is_shadow, "v2", "v1")),
        "role": pa.array(np.where(is_shadow, "shadow", "champion")),
        "happened_at": at,
        "logged_at": at,
        "prediction": labels,
        "champion_prediction": pa.array(labels.to_pylist(), mask=~is_shadow),
        "is_null_output": pa.array(np.zeros(n, dtype=bool)),
        "is_cached": pa.array(rng.random(n) < 0.2),
        "status": pa.array(np.where(rng.random(n) < 0.01, "error", "ok")),
        "score": pa.array(rng.random(n)),
        "latency_ms": pa.array(rng.lognormal(3, 0.6, n)),
        "n_missing": pa.array(np.zeros(n, dtype=np.int16)),
        "in_brightness": pa.array(rng.random(n)),
        "in_contrast": pa.array(rng.random(n)),
        "seg_line": pa.array(rng.choice(["L1", "L2", "L3", "L4"], n)),
    }
    arrays = [columns[f.name].cast(f.type) if f.name in columns else pa.nulls(n, f.type) for f in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def build(eventlog: EventLog, model: Model, start: datetime, n_total: int) -> None:
    """Append and seal everything, then judge some subjects."""
    rng = np.random.default_rng(1)
    for first in range(0, n_total, SLICE):
        eventlog.append(model.id, make_rows(model, start, first, min(SLICE, n_total - first), n_total, rng))
        if (first // SLICE) % 3 == 2 or first + SLICE >= n_total:
            while seal(eventlog.database, eventlog.lake.uri, model.id, owner="bench"):
                pass
    subjects = rng.choice(n_total // 5, N_DECISIONS, replace=False) * 5
    with eventlog.database.write() as session:
        for number, subject in enumerate(subjects.tolist()):
            label = str(rng.choice(LABELS))
            session.add(
                Decision(id=new_id(), model_id=model.id, subject_id=str(subject), judge="person:an", label=label)
            )
            if number % 4 == 0:
                session.add(
                    GroundTruth(
                        model_id=model.id, subject_id=str(subject), label=label, method="bench", resolved_by="bench"
                    )
                )


def timed(call: Callable[[], Any], repeats: int) -> tuple[float, float, float]:
    """First call, median and 95th percentile of the following ones, in ms."""
    spent = []
    for _ in range(repeats + 1):
        before = time.perf_counter()
        call()
        spent.append((time.perf_counter() - before) * 1000)
    rest = np.array(spent[1:])
    return spent[0], float(np.median(rest)), float(np.percentile(rest, 95))


def calls(client: Client, start: datetime, end: datetime) -> dict[str, Callable[[], Any]]:
    """Every chart of the catalogue, the split ones, the overview and a comparison."""
    found: dict[str, Callable[[], Any]] = {
        measure.name: lambda name=measure.name: client.monitors.series("bench", name, start, end)  # type: ignore[misc]
        for measure in MEASURES
    }
    found["latency_p95 by version, previous"] = lambda: client.monitors.series(
        "bench", "latency_p95", start, end, split="version", previous=True
    )
    found["null_output_rate by line"] = lambda: client.monitors.series(
        "bench", "null_output_rate", start, end, split="segment:line"
    )
    found["summary"] = lambda: client.monitors.summary(end - timedelta(days=1), end)
    found["comparison with people"] = lambda: client.comparisons.compare("bench", "version:v1", "people", start, end)
    return found


def measure_size(settings: Settings, n_total: int, repeats: int) -> dict[str, tuple[float, float, float]]:
    """Build the history and time every chart through the API."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start = end - timedelta(days=DAYS)
    app = create_app(settings, ui=False)
    upgrade(app.state.services.database)
    with TestClient(app, base_url=settings.public_url) as http:
        services = app.state.services
        model = add_model(services.eventlog)
        before = time.perf_counter()
        build(services.eventlog, model, start, n_total)
        print(f"  built {n_total:,} predictions in {time.perf_counter() - before:.0f} s", flush=True)
        http.headers["Authorization"] = f"Bearer {add_key(services.eventlog)}"
        client = Client(http=http)
        return {name: timed(call, repeats) for name, call in calls(client, start, end).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000000,10000000")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--postgres", default="", help="URL of an empty database; default SQLite")
    options = parser.parse_args()
    versions = f"python {platform.python_version()}, duckdb {version('duckdb')}, pyarrow {version('pyarrow')}"
    print(f"{versions}, {os.cpu_count()} cores, load {os.getloadavg()}")
    found = {}
    for size in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(data_dir=Path(folder), database_url=options.postgres, ui=False)
            found[size] = measure_size(settings, size, options.repeats)
    print(f"{'chart, 30 days':38}" + "".join(f"{size:>14,} first / p50 / p95 ms" for size in found))
    for name in next(iter(found.values())):
        rows = [found[size][name] for size in found]
        print(f"{name:38}" + "".join(f"{first:16.0f} /{middle:6.1f} /{high:6.1f}    " for first, middle, high in rows))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB, load {os.getloadavg()}")


if __name__ == "__main__":
    main()

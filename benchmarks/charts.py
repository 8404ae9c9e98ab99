"""How long every Health chart takes over thirty days, through `soi api`, with one and with ten million predictions,
and how much memory the API has at its peak.

Run: python -m benchmarks.charts [--sizes 1000000,10000000] [--postgres URL] [--folder PATH keeps the history]. The
cost of a chart follows its time buckets, so neither figure may grow with the number of predictions.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from backend.client import ApiError, Client
from backend.settings import Settings
from benchmarks.history import History, make_history
from benchmarks.server import Server, serving
from db.analytics.catalog import MEASURES

TARGET_MB = 300
TARGET_MS = 100


@dataclass
class Figures:
    """Of one size: per call the first answer, median and 95th percentile in ms; per step the API's peak in MB."""

    waits: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)


def charts(client: Client, history: History) -> dict[str, Callable[[], Any]]:
    """Every chart of the catalogue and two split ones."""
    start, end = history.window
    found: dict[str, Callable[[], Any]] = {
        measure.name: lambda name=measure.name: client.monitors.series("bench", name, start, end)  # type: ignore[misc]
        for measure in MEASURES
        if measure.source != "processes"
    }
    found["latency_p95 by version, previous"] = lambda: client.monitors.series(
        "bench", "latency_p95", start, end, split="version", previous=True
    )
    found["null_output_rate by line"] = lambda: client.monitors.series(
        "bench", "null_output_rate", start, end, split="segment:line"
    )
    return found


def looks(client: Client, history: History) -> dict[str, Callable[[], Any]]:
    """The overview and the comparison with people."""
    start, end = history.window
    compare = client.comparisons.compare
    return {
        "summary": lambda: client.monitors.summary(end - timedelta(days=1), end),
        "comparison with people": lambda: compare("bench", "version:v1", "people", start, end),
    }


def between_versions(client: Client, history: History) -> dict[str, Callable[[], Any]]:
    """Champion against its shadow, which is not part of the memory target."""
    start, end = history.window
    return {
        "comparison of versions": lambda: client.comparisons.compare("bench", "version:v1", "version:v2", start, end)
    }


def timed(call: Callable[[], Any], repeats: int) -> tuple[float, float, float]:
    """First call, median and 95th percentile of the following ones, in ms; NaN where the API refuses."""
    spent = []
    for _ in range(repeats + 1):
        before = time.perf_counter()
        try:
            call()
        except ApiError as error:
            print(f"  refused: {error.code}: {error.message}", flush=True)
            return float("nan"), float("nan"), float("nan")
        spent.append((time.perf_counter() - before) * 1000)
    rest = np.array(spent[1:])
    return spent[0], float(np.median(rest)), float(np.percentile(rest, 95))


def ask(server: Server, history: History, repeats: int) -> Figures:
    """Time everything against a running API, and read its peak memory after each part."""
    found = Figures(peaks={"at the start": server.memory_mb()})
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=120, trust_env=False) as http:
        http.headers["Authorization"] = f"Bearer {history.key}"
        client = Client(http=http)
        for part, calls, n in (
            ("after all charts", charts, repeats),
            ("with the overview and the comparison with people", looks, repeats),
            ("with the comparison of versions", between_versions, min(repeats, 3)),
        ):
            for name, call in calls(client, history).items():
                found.waits[name] = timed(call, n)
            found.peaks[part] = server.memory_mb("VmHWM")
        found.peaks["at the end, not the peak"] = server.memory_mb()
    return found


def measure_size(settings: Settings, n_total: int, repeats: int) -> Figures:
    """Build the history, or take the one that is there, and ask a fresh API about it."""
    before = time.perf_counter()
    history = make_history(settings, n_total)
    print(f"  {n_total:,} predictions ready after {time.perf_counter() - before:.0f} s", flush=True)
    with serving(settings.data_dir, settings.database_url, history.key) as server:
        return ask(server, history, repeats)


def show(found: dict[int, Figures]) -> None:
    print(
        f"{'30 days':38}" + "".join(f"{size:>14,} first / p50 / p95 ms" for size in found) + f"    target {TARGET_MS}"
    )
    for name in next(iter(found.values())).waits:
        rows = [figures.waits[name] for figures in found.values()]
        print(f"{name:38}" + "".join(f"{first:16.0f} /{middle:6.1f} /{high:6.1f}    " for first, middle, high in rows))
    print(f"\n{'memory of the API, MB':50}" + "".join(f"{size:>14,}" for size in found) + f"    target {TARGET_MB}")
    for part in next(iter(found.values())).peaks:
        print(f"{part:50}" + "".join(f"{figures.peaks[part]:14.0f}" for figures in found.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000000,10000000")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--postgres", default="", help="URL of an empty database; default SQLite")
    parser.add_argument("--folder", type=Path, help="keep the histories here and use them again")
    options = parser.parse_args()
    versions = f"python {platform.python_version()}, duckdb {version('duckdb')}, pyarrow {version('pyarrow')}"
    print(f"{versions}, {os.cpu_count()} cores, load {os.getloadavg()}")
    found = {}
    with ExitStack() as stack:
        for size in map(int, options.sizes.split(",")):
            if options.folder:
                folder = options.folder / str(size)
                folder.mkdir(parents=True, exist_ok=True)
            else:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            settings = Settings(data_dir=folder, database_url=options.postgres, ui=False)
            found[size] = measure_size(settings, size, options.repeats)
    show(found)
    print(f"load {os.getloadavg()}")


if __name__ == "__main__":
    main()

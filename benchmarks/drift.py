"""How long drift takes: 1,000,000 current rows against 100,000 reference rows x 25 columns, from rows and from cells.

Run: python -m benchmarks.drift [--rows 1000000] [--data FOLDER]. With --data the rows are kept as Parquet, so that
benchmarks/peers/drift.py can run other tools on the same ones.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backend.drift.verdicts import Rules, judge_grid, judge_window
from backend.drift.windows import shape_of
from db.eventlog.feature_counts import decode_counts, encode_counts
from db.eventlog.feature_profile import Profile, count_table, make_profile

N_NUMBERS, N_CATEGORIES = 20, 5
START = datetime(2026, 1, 1, tzinfo=UTC)


def make_rows(n: int, seed: int, shift: float = 0.0) -> pa.Table:
    """Twenty numbers of five kinds and five categories; `shift` moves the first number."""
    rng = np.random.default_rng(seed)
    draws: list[Callable[[], np.ndarray]] = [
        lambda: rng.normal(0, 1, n),
        lambda: rng.lognormal(0, 1, n),
        lambda: rng.random(n),
        lambda: rng.gamma(2, 1, n),
        lambda: rng.poisson(6, n).astype(float),
    ]
    columns = {f"x{i}": pa.array(draws[i % 5]() + (shift if i == 0 else 0.0)) for i in range(N_NUMBERS)}
    for i in range(N_CATEGORIES):
        names = np.array([f"k{i}-{place}" for place in range(4 + 8 * i)])
        codes = pa.array(rng.integers(0, len(names), n).astype(np.int32))
        columns[f"c{i}"] = pa.DictionaryArray.from_arrays(codes, pa.array(names)).cast(pa.string())
    return pa.table(columns)


def verdicts(profile: Profile, counts: np.ndarray) -> int:
    """All statistics of all features; how many drifted."""
    places = range(len(profile.features))
    found = judge_window(
        [shape_of(bins) for bins in profile.features],
        [profile.part(profile.counts, place) for place in places],
        [profile.part(counts, place) for place in places],
        Rules(alpha=1 / 720),
    )
    return sum(one.verdict == "drifted" for one in found)


def from_rows(reference: pa.Table, current: pa.Table) -> int:
    """Freeze the reference, count the current rows, and judge."""
    profile = make_profile(reference, reference.schema.names)
    return verdicts(profile, count_table(profile, current)[0])


def timed(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median wall seconds, and the least processor seconds: what it takes on a machine that does nothing else."""
    wall, processor = [], []
    for _ in range(repeats):
        gc.collect()
        begin, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - begin)
        processor.append(time.process_time() - used)
    return statistics.median(wall), min(processor)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cells_of(profile: Profile, current: pa.Table, n_hours: int) -> list[tuple[datetime, bytes]]:
    """The rows spread evenly over hours, as stored cells."""
    cell = np.arange(current.num_rows, dtype=np.int64) * n_hours // current.num_rows
    counted = count_table(profile, current, cell, n_hours)
    return [(START + timedelta(hours=place), encode_counts(counts)) for place, counts in enumerate(counted)]


def run(n_current: int, n_reference: int, repeats: int, data: Path | None) -> None:
    reference, current = make_rows(n_reference, 1), make_rows(n_current, 2, shift=0.3)
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        pq.write_table(reference, data / "reference.parquet")
        pq.write_table(current, data / "current.parquet")
    before = peak_mb()
    n_drifted = from_rows(reference, current)
    median, least = timed(lambda: from_rows(reference, current), repeats)
    print(
        f"from rows: median {median:.2f} s, processor {least:.2f} s (<= 2 s), {n_drifted} of 25 drifted; "
        f"peak {peak_mb():.0f} MB with the rows, {peak_mb() - before:.0f} MB more than they take (<= 1 GB)"
    )
    profile = make_profile(reference, reference.schema.names)
    cells = cells_of(profile, current, 720)
    n_bytes = sum(len(blob) for _, blob in cells)

    def window() -> int:
        return verdicts(profile, np.sum([decode_counts(blob) for _, blob in cells], axis=0))

    median, least = timed(window, repeats)
    print(
        f"from roll-ups: 720 hours, median {median * 1e3:.0f} ms, processor {least * 1e3:.0f} ms (<= 100 ms); "
        f"{n_bytes / len(cells):,.0f} bytes per hour, {n_bytes / current.num_rows:.1f} per event"
    )
    places = range(len(profile.features))

    def heat_map() -> object:
        counts = np.stack([decode_counts(blob) for _, blob in cells]).reshape(120, 6, -1).sum(axis=1)
        return judge_grid(
            [shape_of(bins) for bins in profile.features],
            [profile.part(profile.counts, place) for place in places],
            [profile.part(counts, place) for place in places],
            Rules(alpha=1 / 720),
        )

    median, least = timed(heat_map, repeats)
    print(f"heat map: 25 features x 120 windows, median {median * 1e3:.0f} ms, processor {least * 1e3:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reference-rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", type=Path, default=None, help="keep the rows here for benchmarks/peers/drift.py")
    chosen = parser.parse_args()
    print(platform.platform(), f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(*(f"{name} {version(name)}" for name in ("numpy", "scipy", "pyarrow")))
    run(chosen.rows, chosen.reference_rows, chosen.repeats, chosen.data)


if __name__ == "__main__":
    main()

"""`make bench`: every benchmark in turn, each in a process of its own, so that memory and imports do not mix."""

from __future__ import annotations

import subprocess
import sys

#: Module and arguments; together about fifteen minutes on two cores.
BENCHMARKS: tuple[tuple[str, ...], ...] = (
    ("benchmarks.ingest",),
    ("benchmarks.beside",),
    ("benchmarks.seal",),
    ("benchmarks.seal", "--reference"),
    ("benchmarks.charts",),
    ("benchmarks.drift",),
    ("benchmarks.queue", "--only", "sqlite"),
    ("benchmarks.bench_keys",),
    ("benchmarks.faults", "--cycles", "20"),
    ("benchmarks.alerts", "--per-model", "10,20"),
)


def main() -> int:
    """Run them all, whatever one of them says; the exit status is the number that failed."""
    n_failed = 0
    for command in BENCHMARKS:
        print(f"\n== {' '.join(command)}", flush=True)
        n_failed += subprocess.run([sys.executable, "-m", *command]).returncode != 0
    return n_failed


if __name__ == "__main__":
    sys.exit(main())

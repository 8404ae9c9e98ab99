"""Drift by other tools on the same rows in the same run, each in a Python of its own, and the ratios to ours.

Run: python -m benchmarks.peers.drift --python /path/to/venv/bin/python [--rows 1000000]. That Python has Evidently
and NannyML (`pip install evidently nannyml` into a venv apart from this one); what it lacks is left out, saying so.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

#: What a tool has to be slower than ours by.
TARGETS = {"evidently": 10.0, "nannyml": 3.0}

OURS = """
import sys, time
import pyarrow.parquet as pq
from benchmarks.drift import from_rows
reference, current = (pq.read_table(f"{sys.argv[1]}/{name}.parquet") for name in ("reference", "current"))
from_rows(reference.slice(0, 1000), current.slice(0, 1000))
begin = time.perf_counter()
from_rows(reference, current)
print("seconds", time.perf_counter() - begin)
"""
EVIDENTLY = """
import sys, time, warnings
warnings.filterwarnings("ignore")
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
reference, current = (pd.read_parquet(f"{sys.argv[1]}/{name}.parquet") for name in ("reference", "current"))
names = [list(reference.select_dtypes(kind).columns) for kind in ("number", "object")]
definition = DataDefinition(numerical_columns=names[0], categorical_columns=[c for c in reference if c not in names[0]])
begin = time.perf_counter()
sides = [Dataset.from_pandas(side, data_definition=definition) for side in (current, reference)]
Report([DataDriftPreset(method="psi")]).run(*sides).dict()
print("seconds", time.perf_counter() - begin)
"""
NANNYML = """
import sys, time, warnings
warnings.filterwarnings("ignore")
import pandas as pd
import nannyml as nml
reference, current = (pd.read_parquet(f"{sys.argv[1]}/{name}.parquet") for name in ("reference", "current"))
calculator = nml.UnivariateDriftCalculator(
    column_names=list(reference.columns),
    continuous_methods=["jensen_shannon", "kolmogorov_smirnov", "wasserstein", "hellinger"],
    categorical_methods=["jensen_shannon", "chi2", "l_infinity", "hellinger"],
    chunk_number=1,
)
begin = time.perf_counter()
calculator.fit(reference)
calculator.calculate(current).to_df()
print("seconds", time.perf_counter() - begin)
"""
PROBE = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"


def measure(python: str, code: str, folder: str, *, label: str) -> tuple[float, float] | None:
    """Seconds as the script says, and the peak memory of its process in MB; None when it failed."""
    script = f"import resource, os\n{code}\nprint('mb', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    environment = {**os.environ, "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        [python, "-c", script, folder], capture_output=True, text=True, env=environment, timeout=1_800
    )
    if done.returncode:
        print(f"{label}: failed: {done.stderr.strip().splitlines()[-1][:200] if done.stderr.strip() else ''}")
        return None
    words = dict(line.split() for line in done.stdout.splitlines() if line.startswith(("seconds ", "mb ")))
    return float(words["seconds"]), float(words["mb"])


def version_of(python: str, name: str) -> str | None:
    """The version of a tool in that Python; None when it is not there."""
    done = subprocess.run([python, "-c", PROBE, name], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="the Python of a venv that has the other tools")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    print(platform.platform(), f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    from benchmarks.drift import make_rows

    with tempfile.TemporaryDirectory() as folder:
        import pyarrow.parquet as pq

        pq.write_table(make_rows(100_000, 1), Path(folder) / "reference.parquet")
        pq.write_table(make_rows(chosen.rows, 2, shift=0.3), Path(folder) / "current.parquet")
        compare(chosen.python, folder, chosen.repeats)


def compare(python: str, folder: str, repeats: int) -> None:
    """Take turns, so that a busy moment hits all alike; the medians decide."""
    tools = {"evidently": EVIDENTLY, "nannyml": NANNYML}
    found = {name: version_of(python, name) for name in tools}
    for name, number in found.items():
        if number is None:
            print(f"{name}: not installed in {python}")
    seconds: dict[str, list[float]] = {"ours": []} | {name: [] for name, number in found.items() if number}
    memory: dict[str, float] = {}
    for _ in range(repeats):
        for name in seconds:
            where, code = (sys.executable, OURS) if name == "ours" else (python, tools[name])
            taken = measure(where, code, folder, label=name)
            if taken is not None:
                seconds[name].append(taken[0])
                memory[name] = max(memory.get(name, 0.0), taken[1])
    medians = {name: sorted(values)[len(values) // 2] for name, values in seconds.items() if values}
    for name, median in medians.items():
        ratio = "" if name == "ours" else f", {median / medians['ours']:.1f} x ours (>= {TARGETS[name]:g})"
        number = "" if name == "ours" else f" {found[name]}"
        print(f"{name}{number}: {median:.2f} s, {memory[name]:,.0f} MB{ratio}; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

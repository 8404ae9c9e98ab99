"""Alert rules on real server metrics: NAB's AWS CloudWatch and traffic series at their real time stamps, and the Azure
serving trace at its real rhythm. Hits, misses and false alarms are counted against NAB's labelled windows.

Run: python -m benchmarks.nab [--data FOLDER]. Every value is logged as the latency of one event at its time stamp, so
that it goes through the event log, the roll-ups and "try on the past" as any rule does. A hit is a labelled window in
which an incident was open; an incident that touches no labelled window is a false alarm. Nothing is tuned to a file.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from backend.alerts.schemas import RaisedOut, TryOut
from backend.alerts.trying import try_rule
from db.analytics.answers import JudgedAnswers
from db.analytics.series import Charts
from db.engine import Database
from db.eventlog.log import EventLog
from db.eventlog.schema import spec_of
from db.eventlog.seal import seal
from db.migrations.runner import upgrade
from db.models.model import Model
from db.repositories import rollups

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_WEEKS: dict[str, Any] = {"kind": "change", "against": "past_weeks", "weeks": 4}
_BEFORE: dict[str, Any] = {"kind": "change", "against": "previous"}
#: Relative changes of the median over an hour that last half an hour; several sizes, the same for every file.
RULES: dict[str, dict[str, Any]] = {
    "weeks, 50 %": {**_WEEKS, "direction": "either", "alert": 0.5},
    "weeks, 100 %": {**_WEEKS, "direction": "either", "alert": 1.0},
    "hour before, 50 %": {**_BEFORE, "direction": "either", "alert": 0.5},
    "hour before, 100 %": {**_BEFORE, "direction": "either", "alert": 1.0},
}
#: The trace as three hours of four weeks, each week turned by some minutes, so that bursts do not meet.
_SHIFTS_MIN, _HOURS = (0, 7, 23, 41), 3
AZURE_RULES: dict[str, tuple[str, dict[str, Any], int]] = {
    "silence (98 % below past weeks)": ("requests", {**_WEEKS, "direction": "below", "alert": 0.98}, 900),
    "burst (300 % above past weeks)": ("requests", {**_WEEKS, "direction": "above", "alert": 3.0}, 900),
    "slow (200 % above past weeks)": ("latency_p95", {**_WEEKS, "direction": "above", "alert": 2.0}, 900),
    "slow (100 % above the quarter before)": ("latency_p95", {**_BEFORE, "direction": "above", "alert": 1.0}, 900),
}

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Score:
    """What a rule found in one file."""

    n_hits: int
    n_misses: int
    n_false: int
    days: float


class Bench:
    """A database of its own in which every series is a model."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder / 'soi.db'}")
        upgrade(self.database)
        self.lake_uri = str(folder / "lake")
        self.eventlog = EventLog(self.database, self.lake_uri)
        self.eventlog.start()
        self.charts = Charts(self.database, self.eventlog, JudgedAnswers(self.eventlog))

    def add(self, name: str, at: Sequence[datetime], latency_ms: Sequence[float]) -> Model:
        """Log one event per value and seal them."""
        with self.database.write() as session:
            model = Model(name=name, item_kind="tabular")
            session.add(model)
        schema, n = spec_of(model).stored, len(at)
        columns: dict[str, Any] = {
            "event_id": [f"{name}-{i}" for i in range(n)],
            "request_id": [f"{name}-{i}" for i in range(n)],
            "version": ["v1"] * n,
            "role": ["champion"] * n,
            "happened_at": list(at),
            "logged_at": list(at),
            "prediction": ["ok"] * n,
            "is_null_output": [False] * n,
            "is_cached": [False] * n,
            "status": ["ok"] * n,
            "latency_ms": [float(value) for value in latency_ms],
            "n_missing": [0] * n,
        }
        arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(n, f.type) for f in schema]
        self.eventlog.append(model.id, pa.Table.from_arrays(arrays, schema=schema))
        while seal(self.database, self.lake_uri, model.id, owner="bench"):
            continue
        return model

    def try_on(
        self, model: Model, at: Sequence[datetime], measure: str, condition: dict[str, Any], window_s: int, **more: Any
    ) -> TryOut:
        """What a rule would have raised over the whole series."""
        with self.database.read() as session:
            first_day = rollups.first_days(session, [model.id]).get(model.id)
        fields = {
            "name": model.name, "measure": measure, "version": None, "segment_key": None, "segment_value": None,
            "each": "", "window_s": window_s, "every_s": 300, "offset_s": 0, "condition": condition, "min_n": 1,
            "hold_s": 1800, "clear_s": 3600, "renotify_s": 0, "no_data": "keep", "severity": "medium",
            "channel_ids": None, **more,
        }  # fmt: skip
        days = (at[-1] - at[0]).days + 1
        return try_rule(self.charts, model, fields, first_day, days, at[-1] + timedelta(minutes=5))

    def close(self) -> None:
        self.eventlog.close()
        self.database.dispose()


def nab_files(data: Path) -> Iterator[tuple[str, list[datetime], list[float], list[Span]]]:
    """Every file in the order of time, with its labelled windows; the clock of the files is taken as UTC."""
    root = data / "nab_metrics"
    labels = json.loads((root / "labels" / "combined_windows.json").read_text(encoding="utf-8"))
    for folder in ("realAWSCloudwatch", "realTraffic"):
        for path in sorted((root / folder).glob("*.csv")):
            with path.open(encoding="utf-8") as file:
                rows = sorted((_utc(row["timestamp"]), float(row["value"])) for row in csv.DictReader(file))
            windows = [(_utc(start), _utc(end)) for start, end in labels[f"{folder}/{path.name}"]]
            yield path.stem.lower(), [at for at, _ in rows], [value for _, value in rows], windows


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def score(raised: Sequence[RaisedOut], windows: Sequence[Span], at: Sequence[datetime]) -> Score:
    """Hits by labelled window, false alarms by incident."""

    def touches(one: RaisedOut, window: Span) -> bool:
        return one.opened_at <= window[1] and (one.closed_at or at[-1]) >= window[0]

    hits = sum(any(touches(one, window) for one in raised) for window in windows)
    false = sum(not any(touches(one, window) for window in windows) for one in raised)
    return Score(hits, len(windows) - hits, false, (at[-1] - at[0]) / timedelta(days=1))


def azure_events(data: Path) -> tuple[list[datetime], list[float]]:
    """The trace laid over four weeks; an answer's time is taken as 30 ms for each token that it generated.

    It is an hour long, so each week has it three times in a row, turned like a ring: its bursts and lulls stay as they
    are, and no week begins or ends with a silence that is not in the trace.
    """
    with (data / "azure_serving" / "AzureLLMInferenceTrace_code.csv").open(encoding="utf-8") as file:
        rows = [(_utc(row["TIMESTAMP"][:26]), 30.0 * float(row["GeneratedTokens"])) for row in csv.DictReader(file)]
    start = rows[0][0].replace(minute=0, second=0, microsecond=0)
    length = rows[-1][0] - rows[0][0]
    laid = []
    for week, shift in enumerate(_SHIFTS_MIN):
        for turn in range(_HOURS):
            begin = start + timedelta(days=7 * week) + turn * length
            laid += [(begin + (at - rows[0][0] + timedelta(minutes=shift)) % length, value) for at, value in rows]
    laid.sort()
    return [at for at, _ in laid], [value for _, value in laid]


def run_nab(bench: Bench, data: Path) -> dict[str, list[Score]]:
    """The score of each rule in each file, printed file by file."""
    found: dict[str, list[Score]] = {name: [] for name in RULES}
    print(f"{'file':46}" + "".join(f"{name:>22}" for name in RULES))
    for name, at, values, windows in nab_files(data):
        model, cells = bench.add(name[:90], at, values), []
        for rule, condition in RULES.items():
            one = score(bench.try_on(model, at, "latency_p50", condition, 3600).raised, windows, at)
            found[rule].append(one)
            cells.append(f"{one.n_hits}/{len(windows)} hit, {one.n_false} false")
        print(f"{name:46}" + "".join(f"{cell:>22}" for cell in cells), flush=True)
    return found


def run_azure(bench: Bench, data: Path) -> dict[str, int]:
    """Incidents of each rule on the trace."""
    at, latency = azure_events(data)
    model = bench.add("azure", at, latency)
    return {
        name: bench.try_on(model, at, measure, condition, width, min_n=50, hold_s=300).n_incidents
        for name, (measure, condition, width) in AZURE_RULES.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", choices=("nab", "azure"))
    options = parser.parse_args()
    data = options.data
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for rule, scores in (run_nab(bench, data) if options.only != "azure" else {}).items():
            hits, misses, false = (
                sum(getattr(one, name) for one in scores) for name in ("n_hits", "n_misses", "n_false")
            )
            weeks = sum(one.days for one in scores) / 7
            print(
                f"{rule:20} hits {hits}, misses {misses}, false alarms {false} ({false / weeks:.2f} a week and series)"
            )
        for rule, n in (run_azure(bench, data) if options.only != "nab" else {}).items():
            print(f"azure, {rule}: {n} incidents")
        bench.close()


if __name__ == "__main__":
    main()

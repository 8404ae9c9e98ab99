"""How long one run over a thousand alert rules takes, how that grows, and how long it takes to try one rule on 90 days.

Run: python -m benchmarks.alerts [--models 100] [--per-model 10,20,40] [--postgres URL]. Roll-up cells of 90 days at
every grain are written directly: the evaluation reads nothing else.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from backend.alerts.rule import EVERY_S
from backend.alerts.trying import try_rule
from backend.worker.alerts import AlertEvaluator
from db.analytics.answers import JudgedAnswers
from db.analytics.series import Charts
from db.engine import Database
from db.eventlog import histogram
from db.eventlog.log import EventLog
from db.eventlog.rollup import SUMS
from db.migrations.runner import upgrade
from db.models.alert import AlertRule, AlertState
from db.models.model import Model
from db.repositories import alert_rules, rollups

END = datetime(2026, 5, 18, 12, tzinfo=UTC)
#: Days of history at each stored grain; five-minute cells only where rules look at them (now and past weeks).
DAYS = 90
SHAPES: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("error_rate", 3600, {"kind": "threshold", "alert": 0.1, "warning": 0.02, "is_cautious": True}),
    ("null_output_rate", 3600, {"kind": "threshold", "alert": 0.2, "is_cautious": True}),
    ("missing_rate", 3600, {"kind": "threshold", "alert": 0.4}),
    ("latency_p95", 3600, {"kind": "change", "against": "past_weeks", "alert": 2.0}),
    ("requests", 3600, {"kind": "change", "against": "past_weeks", "direction": "below", "alert": 0.98}),
    ("latency_p99", 86_400, {"kind": "change", "against": "previous", "alert": 1.0}),
    ("error_rate", 3600, {"kind": "burn_rate", "objective": 0.99, "alert": 14.4, "short_window_s": 300}),
    ("mean_score", 86_400, {"kind": "threshold", "direction": "below", "alert": 0.4}),
    ("throughput", 300, {"kind": "threshold", "alert": 1e6}),
    ("cache_hit_rate", 21_600, {"kind": "threshold", "direction": "below", "alert": 0.01}),
)


def cells(rng: np.random.Generator, grain_s: int, at: Iterator[datetime]) -> list[dict[str, Any]]:
    """One cell per bucket and version, with its latency histogram."""
    made = []
    for moment in at:
        for version, role in (("v1", "champion"), ("v2", "shadow")):
            n = int(rng.poisson(200 * grain_s / 300))
            buckets, counts = np.unique(histogram.bucket_of(rng.lognormal(3, 0.4, 60)), return_counts=True)
            cell: dict[str, Any] = dict.fromkeys(SUMS, 0)
            cell |= {
                "grain_s": grain_s,
                "bucket_at": moment,
                "version": version,
                "role": role,
                "segment_key": "",
                "segment_value": "",
                "n_events": n,
                "n_errors": int(rng.binomial(n, 0.004)),
                "n_null_outputs": int(rng.binomial(n, 0.01)),
                "n_fields": 4 * n,
                "n_missing_fields": int(rng.binomial(4 * n, 0.01)),
                "n_scored": n,
                "score_sum": 0.8 * n,
                "n_timed": n,
                "n_cached": n // 5,
                "latency_sum_ms": 20.0 * n,
                "latency": histogram.encode(buckets, counts * max(1, n // 60)),
                "counts": {},
            }
            made.append(cell)
    return made


def moments(start: datetime, end: datetime, grain_s: int) -> Iterator[datetime]:
    at = start
    while at < end:
        yield at
        at += timedelta(seconds=grain_s)


def build(database: Database, n_models: int) -> None:
    """Models whose cells lie where rules look; the first one has five-minute cells over all 90 days."""
    rng = np.random.default_rng(1)
    weeks = [END - timedelta(days=7 * week) for week in range(5)]
    for number in range(n_models):
        made = cells(rng, 3600, moments(END - timedelta(days=29), END, 3600))
        made += cells(rng, 86_400, moments(END - timedelta(days=DAYS, hours=12), END, 86_400))
        if number == 0:
            made += cells(rng, 300, moments(END - timedelta(days=DAYS), END, 300))
        else:
            for week in weeks:
                made += cells(rng, 300, moments(week - timedelta(hours=7), week, 300))
        with database.write() as session:
            model = Model(name=f"model-{number}", item_kind="tabular")
            session.add(model)
            session.flush()
            alert_rules.give_defaults(session, model.id, [])
            rollups.insert_cells(session, model.id, made)


def rule_fields(shape: tuple[str, int, dict[str, Any]], **more: Any) -> dict[str, Any]:
    measure, window_s, condition = shape
    return {
        "name": measure, "measure": measure, "window_s": window_s, "every_s": EVERY_S[window_s], "offset_s": 0,
        "condition": condition, "min_n": 50, "hold_s": 300, "clear_s": 600, "renotify_s": 86_400,
        "no_data": "no_data", "severity": "medium", **more,
    }  # fmt: skip


def add_rules(database: Database, per_model: int) -> int:
    with database.write() as session:
        session.query(AlertRule).delete()
        ids = [model.id for model in session.query(Model)]
        for model_id in ids:
            for number in range(per_model):
                fields = rule_fields(SHAPES[number % len(SHAPES)], model_id=model_id, created_by="bench")
                session.add(AlertRule(**fields))
    return len(ids) * per_model


def measure_run(database: Database, eventlog: EventLog) -> tuple[float, float, int]:
    """Seconds of the first run (a fresh worker) and of a usual one (five minutes later), and series looked at."""
    evaluator = AlertEvaluator(database, eventlog, "bench", give_up_hours=72)
    spent, n_series = [], 0
    for minutes in (0, 60, 120):
        begun = time.perf_counter()
        report = evaluator.run(END + timedelta(minutes=minutes), catch_up=1)
        spent.append(time.perf_counter() - begun)
        n_series = max(n_series, report.n_series)
    return spent[0], min(spent[1:]), n_series


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--per-model", default="10,20,40")
    parser.add_argument("--postgres", default="", help="URL of an empty database; default SQLite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(options.postgres or f"sqlite:///{folder}/soi.db")
        upgrade(database)
        eventlog = EventLog(database, str(Path(folder) / "lake"))
        build(database, options.models)
        print(f"{options.models} models, load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
        for per_model in map(int, options.per_model.split(",")):
            n_rules = add_rules(database, per_model)
            first, usual, n_series = measure_run(database, eventlog)
            print(f"{n_rules:6,} rules, {n_series:6,} series: first run {first:.2f} s, usual run {usual:.2f} s")
            with database.write() as session:
                session.query(AlertState).delete()
        with database.read() as session:
            model = session.query(Model).filter_by(name="model-0").one()
            first_day = rollups.first_days(session, [model.id])[model.id]
        charts = Charts(database, eventlog, JudgedAnswers(eventlog))
        for shape in SHAPES:
            fields = rule_fields(shape, version=None, segment_key=None, segment_value=None, each="", channel_ids=None)
            found = try_rule(charts, model, fields, first_day, DAYS, END)
            print(f"try {shape[0]:18} {shape[2]['kind']:10}: {found.n_windows:6,} windows {found.duration_ms:6.0f} ms")
        database.dispose()


if __name__ == "__main__":
    main()

"""An event log with a known story, and the same rows as a pandas frame: the independent truth of every measure."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from db.analytics.answers import JudgedAnswers
from db.analytics.series import Charts
from db.engine import Database
from db.eventlog.log import EventLog
from db.models.model import Model

START = datetime(2026, 5, 1, tzinfo=UTC)
LABELS = ("ok", "open", "short")
#: Only the first two are declared.
FINISHES = ("HASL", "ENIG", "it's new")


@dataclass
class Story:
    """Charts over an event log, its model, and what was logged."""

    charts: Charts
    model: Model
    rows: pd.DataFrame

    @property
    def eventlog(self) -> EventLog:
        return self.charts.eventlog

    @property
    def database(self) -> Database:
        return self.charts.database


@pytest.fixture
def charts(database: Database, tmp_path: Path) -> Iterator[Charts]:
    eventlog = EventLog(database, str(tmp_path / "lake"))
    eventlog.start()
    yield Charts(database, eventlog, JudgedAnswers(eventlog))
    eventlog.close()


def add_model(database: Database) -> Model:
    with database.write() as session:
        model = Model(
            name="pcb",
            item_kind="tabular",
            labels=[{"name": name, "is_defect": name != "ok"} for name in LABELS],
            inputs=[
                {"name": "brightness", "type": "number", "minimum": 0.1, "maximum": 0.95},
                {"name": "it's gain", "type": "number"},
                {"name": "finish", "type": "string", "categories": list(FINISHES[:2])},
                {"name": "note", "type": "string"},
            ],
            metrics=["depth"],
            segment_keys=["line", "shift"],
        )
        session.add(model)
    return model


@functools.cache
def make_rows(n: int = 3_000, seed: int = 7, days: float = 1.5) -> pd.DataFrame:
    """Rows with everything that measures look at, including nulls, failures and a gap of six hours."""
    rng = np.random.default_rng(seed)
    seconds = np.sort(rng.uniform(0, days * 86_400, n))
    seconds = seconds[(seconds < 40_000) | (seconds > 61_600)]
    n = len(seconds)
    role = rng.choice(["champion", "shadow"], n)
    prediction = rng.choice(LABELS, n, p=[0.8, 0.15, 0.05]).astype(object)
    prediction[rng.random(n) < 0.04] = None
    champion = np.where(rng.random(n) < 0.9, prediction, "ok").astype(object)
    champion[role == "champion"] = None
    latency = np.round(rng.lognormal(3, 0.8, n), 6).astype(object)
    latency[rng.random(n) < 0.03] = None
    score = np.round(rng.random(n), 6).astype(object)
    score[rng.random(n) < 0.1] = None
    gain, brightness = rng.random(n).astype(object), rng.random(n).astype(object)
    gain[rng.random(n) < 0.2] = None
    brightness[rng.random(n) < 0.02] = None
    status = rng.choice(["ok", "error", "timeout", "rejected"], n, p=[0.9, 0.05, 0.03, 0.02])
    depth = np.where(rng.random(n) < 0.3, None, np.round(rng.normal(0, 40, n), 6))
    scores = rng.dirichlet([1, 1, 0.2], n).round(6)
    return pd.DataFrame(
        {
            "id": [f"e{i}" for i in range(n)],
            "subject_id": [f"s{i // 2}" for i in range(n)],
            "version": np.where(role == "champion", "v1", "v2"),
            "role": role,
            "happened_at": [START + timedelta(seconds=float(s)) for s in seconds.round(3)],
            "prediction": prediction,
            "champion_prediction": champion,
            "score": score,
            "latency_ms": latency,
            "status": status,
            "error": np.where(status == "error", rng.choice(["camera", "gpu"], n), None),
            "is_cached": rng.random(n) < 0.3,
            "line": rng.choice(["L1", "L2", "L3"], n),
            "shift": rng.choice(["day", "night"], n),
            "brightness": brightness,
            "gain": gain,
            "finish": rng.choice(FINISHES, n, p=[0.6, 0.3, 0.1]),
            "note": ["đ" * length for length in rng.integers(0, 30, n)],
            "depth": depth,
            "scores": [None if absent else list(row) for row, absent in zip(scores, rng.random(n) < 0.4, strict=True)],
        }
    )


def wire(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as callers send them."""
    events = []
    plain = ("id", "subject_id", "version", "role", "prediction", "champion_prediction", "score", "latency_ms")
    for row in rows.to_dict("records"):
        event = {name: row[name] for name in (*plain, "status", "error", "is_cached") if not _is_null(row[name])}
        event["happened_at"] = row["happened_at"].isoformat()
        event["segments"] = {key: row[key] for key in ("line", "shift")}
        inputs = {"brightness": row["brightness"], "it's gain": row["gain"]}
        inputs |= {"finish": row["finish"], "note": row["note"]}
        event["inputs"] = {name: value for name, value in inputs.items() if not _is_null(value)}
        if row["depth"] is not None:
            event["metrics"] = {"depth": row["depth"]}
        if row["scores"] is not None:
            event["scores"] = dict(zip(LABELS, map(float, row["scores"]), strict=True))
        events.append(event)
    return events


def _is_null(value: Any) -> bool:
    return value is None or value != value


@functools.cache
def _events() -> list[dict[str, Any]]:
    return wire(make_rows())


@pytest.fixture
def story(charts: Charts) -> Story:
    """A day and a half of events: two thirds sealed, the rest hot."""
    from db.eventlog.seal import seal

    model, rows, events = add_model(charts.database), make_rows(), _events()
    cut = len(events) * 2 // 3
    charts.eventlog.log_rows(model, events[:cut])
    seal(charts.database, charts.eventlog.lake.uri, model.id, owner="test")
    charts.eventlog.log_rows(model, events[cut:])
    return Story(charts, model, rows)

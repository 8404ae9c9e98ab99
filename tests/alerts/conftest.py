"""A model with traffic at chosen times, and an evaluator that looks at the clock it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.worker.alerts import AlertEvaluator
from db.engine import Database
from db.eventlog.log import EventLog
from db.models.alert import AlertRule
from db.models.model import Model
from db.repositories import alert_rules

NOON = datetime(2026, 5, 18, 12, tzinfo=UTC)


class Plant:
    """The model "pcb" with its event log; `rule` adds a rule with quiet defaults."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.eventlog = EventLog(database, str(folder / "lake"))
        self.eventlog.start()
        self.model = Model(
            name="pcb", item_kind="tabular", labels=[{"name": "ok"}, {"name": "ng"}], segment_keys=["line"]
        )
        with database.write() as session:
            session.add(self.model)
            session.flush()
            alert_rules.give_defaults(session, self.model.id, [])

    def log(self, at: datetime, n: int, **event: Any) -> None:
        """`n` events within the minute at `at`."""
        base = {"version": "v1", "prediction": "ok", "latency_ms": 10.0, "segments": {"line": "L1"}}
        rows = [{**base, **event, "happened_at": (at + timedelta(milliseconds=500 * i)).isoformat()} for i in range(n)]
        result = self.eventlog.log_rows(self.model, rows)
        assert not result.refusals

    def rule(self, **fields: Any) -> str:
        made = {
            "name": "errors", "model_id": self.model.id, "measure": "error_rate", "window_s": 300, "every_s": 300,
            "offset_s": 0, "condition": {"kind": "threshold", "alert": 0.5}, "min_n": 10, "hold_s": 0, "clear_s": 0,
            "renotify_s": 0, "no_data": "no_data", "severity": "medium", "created_by": "user:1",
        }  # fmt: skip
        with self.database.write() as session:
            return alert_rules.add_rule(session, AlertRule(**{**made, **fields})).id

    def evaluator(self, name: str = "worker", **more: Any) -> AlertEvaluator:
        return AlertEvaluator(self.database, self.eventlog, name, give_up_hours=72, **more)

    def close(self) -> None:
        self.eventlog.close()


@pytest.fixture
def plant(database: Database, tmp_path: Path) -> Iterator[Plant]:
    made = Plant(database, tmp_path)
    yield made
    made.close()


@pytest.fixture
def rows(database: Database) -> Callable[..., list[Any]]:
    """All rows of a table, in the order of their keys."""

    def read(table: Any) -> list[Any]:
        with database.read() as session:
            return list(session.query(table).order_by(*table.__table__.primary_key.columns))

    return read

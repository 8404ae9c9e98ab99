"""An event log on each database with one model, and rows for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from db.engine import Database
from db.eventlog.log import EventLog
from db.models.model import Model

START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=2)


@pytest.fixture
def lake_uri(tmp_path: Path) -> str:
    return str(tmp_path / "lake")


@pytest.fixture
def model(database: Database) -> Model:
    with database.write() as session:
        made = Model(
            name="pcb",
            item_kind="tabular",
            inputs=[{"name": "a", "type": "number"}, {"name": "c", "type": "string"}],
            segment_keys=["line"],
            null_outputs=["", "unknown"],
        )
        session.add(made)
    return made


@pytest.fixture
def log(database: Database, lake_uri: str, model: Model) -> Iterator[EventLog]:
    made = EventLog(database, lake_uri)
    made.start()
    yield made
    made.close()


def rows(n: int, *, first: int = 0, **fields: Any) -> list[dict[str, Any]]:
    """`n` events a minute apart from START on, ids e0, e1, ..."""
    return [
        {
            "id": f"e{place}",
            "version": "v1",
            "happened_at": (START + timedelta(minutes=place)).isoformat(),
            "inputs": {"a": float(place), "c": "x" if place % 2 else None},
            "prediction": "ok" if place % 3 else "bad",
            "score": place / 1000,
            "latency_ms": float(place + 1),
            "segments": {"line": f"L{place % 2}"},
            **fields,
        }
        for place in range(first, first + n)
    ]

"""A tabular model with a clean month of events, made once per database and copied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from db.eventlog.columns import finish
from db.eventlog.ids import make_ids
from db.eventlog.log import EventLog
from db.eventlog.schema import UTC_US, ModelSpec
from db.models.model import Model

START = datetime(2026, 5, 4, tzinfo=UTC)  # a Monday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NUMBERS = ("age", "income", "score2")


@pytest.fixture
def model(app: TestClient) -> Model:
    """Three numbers, an integer, a category and a flag; decisions by label."""
    services = app.app.state.services  # type: ignore[attr-defined]
    inputs = [{"name": name, "type": "number"} for name in NUMBERS]
    inputs += [{"name": "rooms", "type": "integer"}, {"name": "city", "type": "string"}]
    inputs += [{"name": "owner", "type": "boolean"}, {"name": "built", "type": "time"}]
    with services.database.write() as session:
        made = Model(
            name="loans",
            item_kind="tabular",
            labels=[{"name": "ok"}, {"name": "bad", "is_defect": True}],
            inputs=inputs,
            segment_keys=["line"],
        )
        session.add(made)
    return made


@pytest.fixture
def eventlog(app: TestClient) -> EventLog:
    return app.app.state.services.eventlog  # type: ignore[attr-defined,no-any-return]


def clean_columns(n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Values of n rows without any drift."""
    return {
        "in_age": rng.normal(40, 10, n),
        "in_income": rng.lognormal(3, 0.6, n),
        "in_score2": rng.random(n),
        "in_rooms": rng.poisson(3, n),
        "in_city": rng.choice(["hanoi", "hue", "saigon"], n, p=[0.3, 0.1, 0.6]),
        "in_owner": rng.random(n) < 0.4,
        "score": rng.beta(5, 2, n),
        "prediction": rng.choice(["ok", "bad"], n, p=[0.9, 0.1]),
    }


def make_events(
    spec: ModelSpec,
    columns: dict[str, Any],
    at: Sequence[datetime] | datetime,
    span: timedelta = HOUR,
    *,
    version: str = "v1",
    role: str = "champion",
) -> pa.Table:
    """Stored events of these columns, evenly over `span` from `at` on; lines L1 and L2 in turn."""
    n = len(next(iter(columns.values())))
    first = at if isinstance(at, datetime) else at[0]
    micros = int(first.timestamp() * 1e6) + (np.arange(n) * (span / timedelta(microseconds=1)) / n).astype(np.int64)
    times = pa.array(micros, pa.int64()).cast(UTC_US)
    made: dict[str, pa.Array] = {column.name: pa.nulls(n, column.type) for column in spec.stored}
    made.update(
        event_id=make_ids(n),
        subject_id=pa.array([f"s-{value}" for value in micros.tolist()]),
        version=pa.array([version] * n),
        role=pa.array([role] * n),
        status=pa.array(["ok"] * n),
        happened_at=times,
        logged_at=times,
        seg_line=pa.array([f"L{1 + i % 2}" for i in range(n)]),
    )
    for name, values in columns.items():
        kind = spec.stored.field(name).type
        made[name] = values if isinstance(values, pa.Array) else pa.array(values, from_pandas=True).cast(kind)
    return pa.Table.from_batches([finish(made, spec, n)])


@pytest.fixture
def log_clean(model: Model, eventlog: EventLog) -> Callable[..., int]:
    """log_clean(at, n, span) logs clean events with changed columns on top."""
    rng = np.random.default_rng(5)

    def log(
        at: datetime, n: int, span: timedelta = HOUR, *, version: str = "v1", role: str = "champion", **changes: Any
    ) -> int:
        spec = eventlog.models.by_id(model.id)
        columns = {**clean_columns(n, rng), **changes}
        return eventlog.append(model.id, make_events(spec, columns, at, span, version=version, role=role)).n_new

    return log

"""Reading: windows, filters, order, single events, free SQL, and the made columns."""

from __future__ import annotations

import json
import math
import time
from datetime import timedelta

import duckdb
import pytest
from sqlalchemy import text

from db.engine import Database
from db.eventlog import seal as sealing
from db.eventlog.columns import stack
from db.eventlog.filters import BadFilter, Filter
from db.eventlog.log import EventLog
from db.eventlog.problems import LogUnavailable
from db.eventlog.seal import seal
from db.models.model import Model
from tests.eventlog.conftest import START, rows


@pytest.fixture
def half_sealed(log: EventLog, model: Model, database: Database, lake_uri: str) -> EventLog:
    log.log_rows(model, rows(50))
    seal(database, lake_uri, model.id, owner="w")
    log.log_rows(model, rows(50, first=50))
    return log


def test_a_window_includes_its_start_and_excludes_its_end(half_sealed: EventLog, model: Model) -> None:
    found = half_sealed.read(model.id, START + timedelta(minutes=45), START + timedelta(minutes=55), limit=100)
    assert found.column("event_id").to_pylist() == [f"e{n}" for n in range(45, 55)]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Filter("in_a", "ge", 98), {"e98", "e99"}),
        (Filter("event_id", "in", ["e1", "e60", "nobody"]), {"e1", "e60"}),
        (Filter("event_id", "in", []), set()),
        (Filter("seg_line", "ne", "L0"), {f"e{n}" for n in range(1, 100, 2)}),
        (Filter("in_c", "is_null"), {f"e{n}" for n in range(0, 100, 2)}),
        (Filter("in_a", "lt", 2), {"e0", "e1"}),
    ],
)
def test_filters_apply_to_sealed_and_hot_rows(
    half_sealed: EventLog, model: Model, item: Filter, expected: set[str]
) -> None:
    found = half_sealed.read(model.id, None, None, where=[item], columns=["event_id"])
    assert set(found.column("event_id").to_pylist()) == expected


def test_assignment_probabilities_are_read_beside_events_sealed_before_there_were_any(
    log: EventLog, model: Model, database: Database, lake_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(sealing, "stack", lambda tables, kept: stack(tables, kept).drop(["assignment_probability"]))
        log.log_rows(model, rows(10))
        seal(database, lake_uri, model.id, owner="w")
    log.log_rows(model, [row | {"role": "canary", "assignment_probability": 0.25} for row in rows(10, first=10)])
    for _ in range(2):
        found = log.read(model.id, None, None, where=[Filter("assignment_probability", "lt", 0.5)])
        assert {row["event_id"] for row in found.to_pylist()} == {f"e{n}" for n in range(10, 20)}
        assert log.read(model.id, None, None, where=[Filter("assignment_probability", "is_null")]).num_rows == 10
        seal(database, lake_uri, model.id, owner="w")


def test_unknown_columns_are_refused(half_sealed: EventLog, model: Model) -> None:
    for wrong in ('x" OR 1=1 --', "in_nothing"):
        with pytest.raises(BadFilter):
            half_sealed.read(model.id, None, None, where=[Filter(wrong, "eq", 1)])
        with pytest.raises(BadFilter):
            half_sealed.read(model.id, None, None, columns=[wrong])


def test_newest_first_with_a_limit_crosses_the_seal(half_sealed: EventLog, model: Model) -> None:
    found = half_sealed.read(model.id, None, None, newest_first=True, limit=60, columns=["event_id"])
    assert found.column("event_id").to_pylist() == [f"e{n}" for n in range(99, 39, -1)]


def test_single_events_are_found_hot_and_sealed(half_sealed: EventLog, model: Model) -> None:
    for event_id in ("e3", "e77"):
        found = half_sealed.find(model.id, event_id)
        assert found is not None
        assert found["in_a"] == float(event_id[1:])
    assert half_sealed.find(model.id, "nobody") is None
    assert half_sealed.find_many(model.id, ["e1", "e99", "nobody"]).num_rows == 2


def test_free_sql_sees_the_window_and_nothing_outside(half_sealed: EventLog, model: Model, lake_uri: str) -> None:
    with half_sealed.connect(model.id, START + timedelta(minutes=40), START + timedelta(minutes=60)) as connection:
        assert connection.sql("SELECT count(*), sum(in_a) FROM events").fetchall() == [(20, sum(range(40, 60)))]
        with pytest.raises(duckdb.Error):
            connection.sql("SELECT * FROM read_text('/etc/hostname')").fetchall()
        with pytest.raises(duckdb.Error):
            connection.sql("SET enable_external_access = true")


def test_batches_come_in_commit_order_for_triage(log: EventLog, model: Model) -> None:
    for place in range(4):
        log.log_rows(model, rows(2, first=2 * place))
    batches = log.iter_batches(model.id, limit=3)
    assert [table.column("event_id").to_pylist() for _, table in batches] == [["e0", "e1"], ["e2", "e3"], ["e4", "e5"]]
    assert [batch_id for batch_id, _ in log.iter_batches(model.id, batches[-1][0])] == [batches[-1][0] + 1]


def test_null_outputs_and_missing_inputs_are_marked(log: EventLog, model: Model) -> None:
    answers = ["ok", "", "unknown", None]
    log.log_rows(model, [{"id": str(n), "version": "v", "prediction": answer} for n, answer in enumerate(answers)])
    found = log.find_many(model.id, ["0", "1", "2", "3"]).sort_by("event_id").to_pylist()
    assert [row["is_null_output"] for row in found] == [False, True, True, True]
    assert [row["n_missing"] for row in found] == [2, 2, 2, 2]


@pytest.mark.parametrize(
    ("kind", "declared", "answers", "expected"),
    [
        ("number", [], [1.5, math.nan, None, 0], [False, True, True, False]),
        ("number", [-1], [-1, 1, None], [True, False, True]),
        ("json", [], [[], {"a": 1}, "", None, [0]], [True, False, False, True, False]),
        ("text", [], ["x", "", None], [False, True, True]),
    ],
)
def test_each_output_kind_has_its_nulls(
    log: EventLog, database: Database, kind: str, declared: list[object], answers: list[object], expected: list[bool]
) -> None:
    with database.write() as session:
        model = Model(name="other", item_kind="tabular", output_kind=kind, null_outputs=declared)
        session.add(model)
    log.log_rows(model, [{"id": str(n), "version": "v", "prediction": answer} for n, answer in enumerate(answers)])
    found = log.find_many(model.id, [str(n) for n in range(len(answers))]).sort_by("event_id").to_pylist()
    marks = [row["is_null_output"] for row in found]
    assert marks == [mark or (kind == "json" and answer == "") for mark, answer in zip(expected, answers, strict=True)]
    if kind == "json":
        assert json.loads(found[1]["prediction"]) == {"a": 1}


def test_a_locked_database_is_reported_within_three_seconds(log: EventLog, model: Model, database: Database) -> None:
    log.log_rows(model, rows(1))
    with database.write() as session:
        if database.is_sqlite:
            pass  # the write transaction itself is the lock
        else:
            session.execute(text("LOCK TABLE event_batches IN ACCESS EXCLUSIVE MODE"))
        begin = time.monotonic()
        with pytest.raises(LogUnavailable):
            log.log_rows(model, rows(1, first=1))
        assert time.monotonic() - begin < 3
    for _ in range(100):
        if log.log_rows(model, rows(1, first=1)).n_new + len(log.find_many(model.id, ["e1"])):
            break
    assert log.find_many(model.id, ["e1"]).num_rows == 1

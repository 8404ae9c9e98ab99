"""An event id counts once for ever: hot, sealed, merged, and across processes."""

from __future__ import annotations

import random
import uuid

import numpy as np
import pyarrow as pa
import pytest
import uuid6

from db.engine import Database
from db.eventlog.id_runs import FAN_IN
from db.eventlog.ids import hash_ids, make_ids, uuid7_times
from db.eventlog.log import EventLog
from db.eventlog.seal import seal
from db.models.event_log import EventIdRun
from db.models.model import Model
from tests.eventlog.conftest import rows


@pytest.mark.parametrize("is_sealed", [False, True])
def test_the_same_events_again_are_duplicates_and_changed_ones_conflicts(
    log: EventLog, model: Model, database: Database, lake_uri: str, is_sealed: bool
) -> None:
    assert log.log_rows(model, rows(20)).n_new == 20
    if is_sealed:
        seal(database, lake_uri, model.id, owner="w")
    again = rows(22)
    again[7]["prediction"] = "other"
    result = log.log_rows(model, again)
    assert result.n_new == 2
    assert result.conflicts == [7]
    assert result.duplicates == [place for place in range(20) if place != 7]


def test_another_process_sees_ids_that_this_one_committed(
    log: EventLog, model: Model, database: Database, lake_uri: str
) -> None:
    other = EventLog(database, lake_uri)
    other.start()
    try:
        assert other.log_rows(model, rows(5)).n_new == 5
        assert log.log_rows(model, rows(6)).n_new == 1
        assert other.log_rows(model, rows(6)).duplicates == list(range(6))
        seal(database, lake_uri, model.id, owner="w")
        assert other.log_rows(model, rows(7)).n_new == 1
        assert log.log_rows(model, rows(7)).n_new == 0
    finally:
        other.close()


def test_an_event_without_a_time_may_be_repeated_later(log: EventLog, model: Model) -> None:
    event = {"id": "no-time", "version": "v1", "prediction": "ok"}
    assert log.log_rows(model, [event]).n_new == 1
    assert log.log_rows(model, [event]).duplicates == [0]


def test_ids_stay_known_when_their_runs_are_merged(
    log: EventLog, model: Model, database: Database, lake_uri: str
) -> None:
    ids = [str(uuid6.uuid7()) if n % 2 else str(uuid.uuid4()) for n in range(2 * FAN_IN + 2)]
    for event_id in ids:
        log.log_rows(model, [{"id": event_id, "version": "v1"}])
        seal(database, lake_uri, model.id, owner="w")
    with database.read() as session:
        assert session.query(EventIdRun).count() < FAN_IN
    assert log.log_rows(model, [{"id": event_id, "version": "v1"} for event_id in ids]).n_new == 0


def test_a_hash_collision_is_not_a_repeat(log: EventLog, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("commit", "read"):
        monkeypatch.setattr(f"db.eventlog.{place}.hash_ids", lambda ids: np.full(len(list(ids)), 7, dtype=np.uint64))
    result = log.log_rows(model, rows(3))
    assert (result.n_new, result.duplicates, result.conflicts) == (3, [], [])
    again = log.log_rows(model, rows(4))
    assert (again.n_new, again.duplicates) == (1, [0, 1, 2])


def test_made_ids_are_distinct_ascending_uuid7() -> None:
    ids = make_ids(100_000).to_pylist()
    assert len(set(ids)) == 100_000
    assert ids == sorted(ids)
    assert {uuid.UUID(text).version for text in random.Random(1).sample(ids, 100)} == {7}
    assert {uuid.UUID(text).variant for text in random.Random(2).sample(ids, 100)} == {uuid.RFC_4122}


def test_the_time_inside_uuid7_is_read_and_other_ids_have_none() -> None:
    made = uuid6.uuid7()
    is_timed, times = uuid7_times(pa.array(["x", str(made), str(uuid.uuid4()), "é" * 18, ""]))
    assert is_timed.tolist() == [False, True, False, False, False]
    assert times[1] == made.int >> 80


def test_hashes_of_texts_and_of_arrow_columns_agree() -> None:
    texts = ["a", "é", "", "long" * 50]
    assert (hash_ids(texts) == hash_ids(pa.array(texts))).all()

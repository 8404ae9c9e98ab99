"""Sealing: reads and roll-ups stay the same through it, and a crash at any point neither loses nor repeats."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from db.base import utc_now
from db.engine import Database
from db.eventlog import seal as sealing
from db.eventlog.log import EventLog
from db.eventlog.seal import LeaseLost, compact, seal
from db.migrations.runner import downgrade, upgrade
from db.models.event_log import EventBatch, Seal
from db.models.model import Model
from db.repositories import event_batches
from db.repositories.unsealed import unsealed_models
from tests.eventlog.conftest import START, rows

END = START + timedelta(days=3)


def all_ids(log: EventLog, model: Model) -> list[str]:
    found: list[str] = log.read(model.id, START, END, columns=["event_id"]).column("event_id").to_pylist()
    return sorted(found)


def n_hot(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count(EventBatch.id))) or 0


def cell_counts(log: EventLog, model: Model, grain_s: int = 3600, key: str = "") -> dict[Any, tuple[int, ...]]:
    table = log.rollup_cells(model.id, grain_s, START - timedelta(days=1), END, key)
    found: dict[Any, tuple[int, ...]] = {}
    for row in table.to_pylist():
        place = (row["bucket_at"], row["version"], row["role"], row["segment_value"])
        before = found.get(place, (0, 0, 0, 0))
        mine = (row["n_events"], row["n_missing_fields"], row["n_timed"], row["n_null_outputs"])
        found[place] = tuple(one + other for one, other in zip(before, mine, strict=True))
    return found


@pytest.mark.parametrize("key", ["", "line"])
def test_reads_and_rollups_are_the_same_before_and_after_sealing(
    log: EventLog, model: Model, database: Database, lake_uri: str, key: str
) -> None:
    log.log_rows(model, rows(300))
    before = [all_ids(log, model), *(cell_counts(log, model, grain, key) for grain in (300, 3600, 86_400))]
    whole = log.read(model.id, START, END, limit=1000).to_pylist()
    assert seal(database, lake_uri, model.id, owner="w") == 300
    assert n_hot(database) == 0
    after = [all_ids(log, model), *(cell_counts(log, model, grain, key) for grain in (300, 3600, 86_400))]
    assert after == before
    assert log.read(model.id, START, END, limit=1000).to_pylist() == whole


def test_rollups_add_up_over_seals_and_the_hot_tail(
    log: EventLog, model: Model, database: Database, lake_uri: str
) -> None:
    for place in range(3):
        log.log_rows(model, rows(50, first=50 * place))
        if place < 2:
            seal(database, lake_uri, model.id, owner="w")
    assert sum(counts[0] for counts in cell_counts(log, model, 86_400).values()) == 150
    assert sum(counts[1] for counts in cell_counts(log, model, 300).values()) == 75
    assert len(all_ids(log, model)) == 150


def test_only_batches_up_to_the_given_one_are_sealed(
    log: EventLog, model: Model, database: Database, lake_uri: str
) -> None:
    log.log_rows(model, rows(10))
    last = log.iter_batches(model.id)[-1][0]
    log.log_rows(model, rows(10, first=10))
    assert seal(database, lake_uri, model.id, owner="w", up_to_batch_id=last) == 10
    assert n_hot(database) == 1


def test_rows_left_by_a_crash_after_the_seal_are_not_counted_and_go_with_the_next(
    log: EventLog, model: Model, database: Database, lake_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.log_rows(model, rows(30))
    before = cell_counts(log, model)
    with monkeypatch.context() as broken:
        break_at(broken, "_delete_sealed", after=False)
        with pytest.raises(KeyboardInterrupt):
            seal(database, lake_uri, model.id, owner="dead")
    assert n_hot(database) == 1
    assert all_ids(log, model) == sorted(f"e{n}" for n in range(30))
    assert cell_counts(log, model) == before
    assert log.iter_batches(model.id) == []
    assert log.log_rows(model, rows(30)).duplicates == list(range(30))
    with database.read() as session:
        assert unsealed_models(session) == []
    assert seal(database, lake_uri, model.id, owner="other") == 0
    log.log_rows(model, rows(5, first=30))
    assert compact(database, lake_uri, model.id, owner="other") == 0
    assert n_hot(database) == 1  # the five new events
    assert seal(database, lake_uri, model.id, owner="other") == 5
    assert all_ids(log, model) == sorted(f"e{n}" for n in range(35))
    assert sum(counts[0] for counts in cell_counts(log, model).values()) == 35


def test_sealed_rows_are_deleted_in_portions(
    log: EventLog, model: Model, database: Database, lake_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in range(6):
        log.log_rows(model, rows(10, first=10 * place))
    deleted: list[int] = []
    real = event_batches.delete_sealed

    def count(*args: Any) -> int:
        deleted.append(real(*args))
        return deleted[-1]

    monkeypatch.setattr(sealing, "DELETE_EVENTS", 25)
    monkeypatch.setattr("db.repositories.event_batches.delete_sealed", count)
    assert seal(database, lake_uri, model.id, owner="w") == 60
    assert deleted == [2, 2, 2, 0]
    assert n_hot(database) == 0


def test_an_unfinished_seal_keeps_its_batches_through_the_migration_that_renamed_its_claim(
    log: EventLog, model: Model, database: Database, lake_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in range(2):
        log.log_rows(model, rows(10, first=10 * place))
    with monkeypatch.context() as broken:
        break_at(broken, "_finish", after=False)
        with pytest.raises(KeyboardInterrupt):
            seal(database, lake_uri, model.id, owner="w")
    log.log_rows(model, rows(5, first=20))
    downgrade(database, "0007")
    upgrade(database)
    assert seal(database, lake_uri, model.id, owner="w") == 20
    assert seal(database, lake_uri, model.id, owner="w") == 5
    assert all_ids(log, model) == sorted(f"e{n}" for n in range(25))


def break_at(monkeypatch: pytest.MonkeyPatch, name: str, *, after: bool) -> None:
    real: Callable[..., Any] = getattr(sealing, name)

    def broken(*args: Any, **kwargs: Any) -> Any:
        if after:
            real(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(sealing, name, broken)


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("_decode", False),
        ("write_deltalake", False),
        ("write_deltalake", True),
        ("write_run", True),
        ("add_rollups", True),
    ],
)
def test_a_crash_at_any_step_is_resumed_by_another_worker(
    log: EventLog,
    model: Model,
    database: Database,
    lake_uri: str,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    after: bool,
) -> None:
    log.log_rows(model, rows(40))
    with monkeypatch.context() as broken:
        break_at(broken, name, after=after)
        with pytest.raises(KeyboardInterrupt):
            seal(database, lake_uri, model.id, owner="dead")
    assert len(all_ids(log, model)) == 40
    log.log_rows(model, rows(5, first=40))
    assert seal(database, lake_uri, model.id, owner="other") == 0  # the lease still runs
    with database.write() as session:
        session.execute(update(Seal).values(lease_until=utc_now() - timedelta(seconds=1)))
    assert seal(database, lake_uri, model.id, owner="other") == 40
    assert seal(database, lake_uri, model.id, owner="other") == 5
    assert all_ids(log, model) == sorted(f"e{n}" for n in range(45))
    assert sum(counts[0] for counts in cell_counts(log, model).values()) == 45


def test_a_worker_that_lost_its_lease_changes_nothing(
    log: EventLog, model: Model, database: Database, lake_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.log_rows(model, rows(20))
    real = sealing._finish

    def slow(*args: Any, **kwargs: Any) -> None:
        with database.write() as session:
            session.execute(update(Seal).values(lease_until=utc_now() - timedelta(seconds=1)))
        monkeypatch.setattr(sealing, "_finish", real)
        assert seal(database, lake_uri, model.id, owner="quick") == 20
        real(*args, **kwargs)

    monkeypatch.setattr(sealing, "_finish", slow)
    with pytest.raises(LeaseLost):
        seal(database, lake_uri, model.id, owner="slow")
    assert all_ids(log, model) == sorted(f"e{n}" for n in range(20))
    assert sum(counts[0] for counts in cell_counts(log, model).values()) == 20


def test_compaction_joins_files_and_keeps_what_is_read(
    log: EventLog, model: Model, database: Database, lake_uri: str
) -> None:
    for place in range(6):
        log.log_rows(model, rows(10, first=10 * place))
        seal(database, lake_uri, model.id, owner="w")
    log.log_rows(model, rows(3, first=60))
    assert compact(database, lake_uri, model.id, owner="w") >= 6
    assert len(all_ids(log, model)) == 63
    assert seal(database, lake_uri, model.id, owner="w") == 3
    assert len(all_ids(log, model)) == 63


def test_late_events_land_on_their_own_day_and_bucket(
    log: EventLog, model: Model, database: Database, lake_uri: str
) -> None:
    log.log_rows(model, rows(5))
    seal(database, lake_uri, model.id, owner="w")
    late = START - timedelta(days=40)
    log.log_rows(model, [{"id": "late", "version": "v1", "happened_at": late.isoformat()}])
    seal(database, lake_uri, model.id, owner="w")
    found = log.read(model.id, late, late + timedelta(minutes=1)).to_pylist()
    assert [row["event_id"] for row in found] == ["late"]
    cells = log.rollup_cells(model.id, 3600, late, late + timedelta(hours=1)).to_pylist()
    assert [(cell["bucket_at"], cell["n_events"]) for cell in cells] == [(late, 1)]


def test_inputs_declared_after_a_seal_are_null_before_it(
    log: EventLog, model: Model, database: Database, lake_uri: str
) -> None:
    log.log_rows(model, rows(2))
    seal(database, lake_uri, model.id, owner="w")
    log.log_rows(model, rows(2, first=2, inputs={"a": 1.0, "later": True}))
    for _ in range(2):
        found = log.read(model.id, START, END, columns=["event_id", "in_later"], limit=10).to_pylist()
        assert [row["in_later"] for row in found] == [None, None, True, True]
        seal(database, lake_uri, model.id, owner="w")


def test_batches_logged_after_a_seal_are_newer_than_the_sealed_ones(
    log: EventLog, model: Model, database: Database, lake_uri: str
) -> None:
    """Cursors over batches (triage, other replicas) would skip new events if ids of deleted batches came back."""
    log.log_rows(model, rows(20))
    last_sealed = log.iter_batches(model.id)[-1][0]
    seal(database, lake_uri, model.id, owner="w")
    log.log_rows(model, rows(40)[20:])
    assert [batch.num_rows for _, batch in log.iter_batches(model.id, last_sealed)] == [20]

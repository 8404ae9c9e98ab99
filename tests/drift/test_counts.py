"""Feature counts in storage: the same before and after sealing, once through crashes, repeats and back-fills."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from backend.drift.references import create_from_log
from backend.drift.schemas import ReferenceCreate
from backend.worker.references import count_references
from db.analytics.feature_windows import FeatureWindows, Slice, align_hours, past_weeks, split_days
from db.analytics.windows import Window
from db.base import utc_now
from db.engine import Database
from db.eventlog import seal as sealing
from db.eventlog.feature_profile import count_table
from db.eventlog.log import EventLog
from db.eventlog.seal import compact, seal
from db.models.drift import DriftReference
from db.models.event_log import Seal
from db.models.model import Model
from tests.drift.conftest import DAY, HOUR, START

SPAN = (START, START + 7 * DAY)
Log = Callable[..., int]


@pytest.fixture
def database(app: TestClient) -> Database:
    return app.app.state.services.database  # type: ignore[attr-defined,no-any-return]


def freeze(database: Database, eventlog: EventLog, model: Model, **fields: Any) -> DriftReference:
    wish = ReferenceCreate(model=model.name, **{"start": START, "end": START + DAY, **fields})
    return create_from_log(database, eventlog, "test", model, wish, utc_now())


def count_all(database: Database, eventlog: EventLog) -> int:
    return count_references(database, eventlog.lake, threading.Event(), turn_s=60)


def total(database: Database, eventlog: EventLog, reference: DriftReference, chosen: Slice = Slice()) -> Any:
    return FeatureWindows(database, eventlog, reference.model_id, reference.id).total([SPAN], chosen)


def truth(database: Database, eventlog: EventLog, reference: DriftReference) -> Any:
    """The counts of all rows of the span, counted from the rows."""
    profile = FeatureWindows(database, eventlog, reference.model_id, reference.id).profile()
    return count_table(profile, eventlog.read(reference.model_id, *SPAN))[0]


def test_counts_are_the_rows_hot_sealed_and_back_filled(
    database: Database, eventlog: EventLog, model: Model, log_clean: Log
) -> None:
    """Events sealed before the reference are back-filled, those after count at seal, the rest is hot: once each."""
    for day in range(3):
        log_clean(START + day * DAY, 300, DAY)
    seal(database, eventlog.lake.uri, model.id, owner="w")
    log_clean(START + 3 * DAY, 300, DAY)
    reference = freeze(database, eventlog, model)
    assert (reference.state, reference.n_files) == ("counting", 3)
    log_clean(START + 4 * DAY, 300, 30 * HOUR)
    seal(database, eventlog.lake.uri, model.id, owner="w")  # before the back-fill has begun
    log_clean(START + 1.5 * DAY, 100, HOUR)  # late, and hot
    assert count_all(database, eventlog) == 3
    assert count_all(database, eventlog) == 0
    expected = truth(database, eventlog, reference)
    assert total(database, eventlog, reference).tolist() == expected.tolist()
    seal(database, eventlog.lake.uri, model.id, owner="w")
    assert total(database, eventlog, reference).tolist() == expected.tolist()
    reader = FeatureWindows(database, eventlog, model.id, reference.id)
    for grain_s in (3_600, 86_400):
        series = reader.series(Window(*SPAN, grain_s), Slice())
        assert series.sum(axis=0).tolist() == expected.tolist()
    lines = [total(database, eventlog, reference, Slice(segment=("line", name))) for name in ("L1", "L2")]
    assert (lines[0] + lines[1]).tolist() == expected.tolist()
    assert lines[0].sum() > 0


def test_versions_and_shadow_answers_are_counted_apart(
    database: Database, eventlog: EventLog, model: Model, log_clean: Log
) -> None:
    log_clean(START, 100, DAY)
    reference = freeze(database, eventlog, model)
    log_clean(START + DAY, 40, HOUR, version="v2", role="shadow")
    n_features = len(reference.facts["features"])
    for chosen, n in ((Slice(), 100), (Slice(version="v2"), 40), (Slice(role="shadow"), 40), (Slice(version="v3"), 0)):
        assert total(database, eventlog, reference, chosen).sum() == n * n_features


def test_the_same_event_twice_counts_once(database: Database, eventlog: EventLog, model: Model, log_clean: Log) -> None:
    log_clean(START, 60, DAY)
    reference = freeze(database, eventlog, model)
    event = {"id": "twice", "version": "v1", "happened_at": (START + DAY).isoformat(), "inputs": {"age": 30.0}}
    eventlog.log_rows(model, [event, event])
    seal(database, eventlog.lake.uri, model.id, owner="w")
    eventlog.log_rows(model, [event])
    assert total(database, eventlog, reference).sum() == 61 * len(reference.facts["features"])


@pytest.mark.parametrize("name", ["write_deltalake", "write_run", "add_rollups", "add_sealed"])
def test_a_crash_while_sealing_neither_loses_nor_repeats_counts(
    database: Database,
    eventlog: EventLog,
    model: Model,
    log_clean: Log,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    log_clean(START, 200, DAY)
    reference = freeze(database, eventlog, model)
    real = getattr(sealing, name)

    def dies(*args: Any, **kwargs: Any) -> Any:
        real(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(sealing, name, dies)
        with pytest.raises(KeyboardInterrupt):
            seal(database, eventlog.lake.uri, model.id, owner="dead")
    later = freeze(database, eventlog, model)  # made while the seal is half done
    with database.write() as session:
        session.execute(update(Seal).values(lease_until=utc_now() - timedelta(seconds=1)))
    assert seal(database, eventlog.lake.uri, model.id, owner="other") == 200
    count_all(database, eventlog)
    for one in (reference, later):
        assert total(database, eventlog, one).tolist() == truth(database, eventlog, one).tolist()


def test_a_reference_made_between_counting_and_the_seals_end_is_not_missed(
    database: Database, eventlog: EventLog, model: Model, log_clean: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_clean(START, 150, DAY)
    real, made = sealing.write_run, []

    def freeze_then(*args: Any) -> Any:
        made.append(freeze(database, eventlog, model))
        return real(*args)

    monkeypatch.setattr(sealing, "write_run", freeze_then)
    seal(database, eventlog.lake.uri, model.id, owner="w")
    count_all(database, eventlog)
    assert total(database, eventlog, made[0]).sum() == 150 * len(made[0].facts["features"])


def test_a_back_fill_that_is_cut_off_goes_on_and_one_whose_files_are_gone_begins_anew(
    database: Database, eventlog: EventLog, model: Model, log_clean: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    from db.eventlog import feature_history

    for day in range(4):
        log_clean(START + day * DAY, 80, DAY)
        seal(database, eventlog.lake.uri, model.id, owner="w")
    reference = freeze(database, eventlog, model)
    feature_history.count_next_file(database, eventlog.lake, reference.id)
    with database.read() as session:
        half = session.get_one(DriftReference, reference.id)
    assert (half.state, half.n_files_done, half.counted_from_at) == ("counting", 1, START + 3 * DAY)
    real = feature_history._count_file

    def gone(*_: Any) -> Any:
        raise FileNotFoundError("compacted and cleaned away")

    monkeypatch.setattr(feature_history, "_count_file", gone)
    compact(database, eventlog.lake.uri, model.id, owner="w")
    assert feature_history.count_next_file(database, eventlog.lake, reference.id)
    monkeypatch.setattr(feature_history, "_count_file", real)
    log_clean(START + 5 * DAY, 50, HOUR)
    seal(database, eventlog.lake.uri, model.id, owner="w")
    count_all(database, eventlog)
    assert total(database, eventlog, reference).tolist() == truth(database, eventlog, reference).tolist()


def test_inputs_that_are_declared_later_are_null_before(
    database: Database, eventlog: EventLog, model: Model, log_clean: Log
) -> None:
    log_clean(START, 50, DAY)
    seal(database, eventlog.lake.uri, model.id, owner="w")
    rows = [
        {"version": "v1", "happened_at": (START + DAY).isoformat(), "inputs": {"later": float(n)}} for n in range(50)
    ]
    eventlog.log_rows(model, rows)
    with database.read() as session:
        model = session.get_one(Model, model.id)
    reference = freeze(database, eventlog, model, end=START + 2 * DAY)
    assert "in_later" in reference.facts["features"]
    count_all(database, eventlog)
    profile = FeatureWindows(database, eventlog, model.id, reference.id).profile()
    found = profile.part(total(database, eventlog, reference), profile.columns.index("in_later"))
    assert (found.sum(), found[-1]) == (100, 50)


def test_windows_are_whole_hours_and_days_are_read_as_days() -> None:
    start, end = align_hours(START + timedelta(minutes=61), START + 3 * DAY + timedelta(minutes=1))
    assert (start, end) == (START + HOUR, START + 3 * DAY + HOUR)
    assert list(split_days(start, end)) == [
        (3_600, (START + HOUR, START + DAY)),
        (86_400, (START + DAY, START + 3 * DAY)),
        (3_600, (START + 3 * DAY, START + 3 * DAY + HOUR)),
    ]
    assert list(split_days(START + HOUR, START + 2 * HOUR)) == [(3_600, (START + HOUR, START + 2 * HOUR))]
    assert past_weeks((START, START + DAY), 2) == [
        (START - 7 * DAY, START - 6 * DAY),
        (START - 14 * DAY, START - 13 * DAY),
    ]
    month = past_weeks((START, START + 30 * DAY), 4)
    assert month == [(START - 35 * DAY, START - 5 * DAY)]

"""Reports over the API on both databases: made by the worker's child process, kept once, read, sent on, thrown away;
and schedules that run once for each moment, however late."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from backend.client import ApiError, Client
from backend.outbox.rendering import write_text
from backend.reports import run
from backend.reports.reading import reading_client
from backend.reports.schedules import make_due_reports
from backend.reports.schemas import ScheduleCreate
from backend.settings import Settings
from backend.worker.jobs import JobRunner
from db.base import utc_now
from db.engine import Database
from db.models.alert import OutboxMessage
from db.models.report import Report, ReportFile, ReportSchedule
from db.repositories import jobs, retention
from tests.learning import Line

MONDAY_7 = datetime(2026, 3, 9, 0, 0, tzinfo=UTC)  # 07:00 in Ho Chi Minh City


@pytest.fixture
def model(line: Line) -> str:
    """A model with labels, nothing else."""
    line.add_labels(6)
    return line.model.name


@pytest.fixture
def channel(sign_in: Callable[..., Client]) -> str:
    return sign_in("admin").channels.create(name="mes", kind="webhook", url="https://mes.example.com/hook").id


def messages(database: Database) -> list[OutboxMessage]:
    with database.read() as session:
        return list(session.scalars(select(OutboxMessage)))


def wait(client: Client, runner: JobRunner, report_id: str, timeout_s: float = 90) -> Any:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        runner.sweep()
        found = client.reports.get(report_id)
        if found.state not in ("queued", "running"):
            return found
        time.sleep(0.2)
    raise TimeoutError(found)


def keep(database: Database, report: Any, verdict: str = "ok") -> None:
    """What the worker does when the child is done, without the child."""
    files = {one: f"<!doctype html><p>{one}</p>" for one in report.languages}
    with database.write() as session:
        jobs.claim_job(session, report.job_id, "w", utc_now())
    run.keep(database, report.job_id, {"verdict": verdict, "files": files})


def test_a_report_is_written_by_the_child_and_read_as_one_file(
    scientist: Client, runner: JobRunner, model: str, tmp_path: Path, channel: str, database: Database
) -> None:
    asked = scientist.reports.create(model=model, languages=["vi", "en", "vi"], channel_id=channel)
    assert asked.state == "queued"
    assert scientist.reports.create(model=model, languages=["vi", "en"], channel_id=channel).id == asked.id
    done = wait(scientist, runner, asked.id)
    assert (done.state, done.verdict, done.error, done.delivery) == ("done", "no_data", None, "handed_over")
    assert [file.language for file in done.files] == ["en", "vi"]
    for file in done.files:
        path = tmp_path / f"{file.language}.html"
        assert scientist.reports.download(done.id, path, language=file.language) == file.n_bytes
        assert f'<html lang="{file.language}">' in path.read_text(encoding="utf-8")
    [message] = messages(database)
    assert (message.kind, message.channel_id, message.state) == ("report", channel, "waiting")
    assert (message.payload["report_id"], message.payload["verdict"]) == (done.id, "no_data")
    for language, word in (("en", "Report of"), ("vi", "Báo cáo")):
        text = write_text("report", message.payload, language, "https://soi.example")
        assert text.title.startswith(f"{word} {model}")
        assert text.link == f"https://soi.example/reports?model={model}"


def test_a_report_that_fails_says_why_and_the_next_one_is_made(
    scientist: Client, runner: JobRunner, model: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(main: Any, task: Any, *_: Any, **__: Any) -> Any:
        if task.languages == ("en", "vi"):
            raise run.ChildFailed("ApiError: the database did not answer")
        return {"verdict": "ok", "files": {"en": "whole"}}

    monkeypatch.setattr(run, "supervise", broken)
    first = wait(scientist, runner, scientist.reports.create(model=model).id)
    assert (first.state, first.error) == ("failed", "ApiError: the database did not answer")
    assert first.files == []
    with pytest.raises(ApiError) as refused:
        scientist.transport.request("GET", f"/v1/reports/{first.id}/file")
    assert (refused.value.status, refused.value.code) == (404, "no_report_file")
    assert wait(scientist, runner, scientist.reports.create(model=model, languages=["en"]).id).state == "done"


def test_the_file_carries_headers_that_keep_it_harmless(scientist: Client, model: str, database: Database) -> None:
    report = scientist.reports.create(model=model, languages=["en"])
    keep(database, report)
    path = f"/v1/reports/{report.id}/file"
    answer = scientist.transport.request("GET", path, params={"language": "en"})
    assert answer.text == "<!doctype html><p>en</p>"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox;")
    assert "default-src 'none'" in policy
    assert answer.headers["content-disposition"].startswith('attachment; filename="pcb-')
    opened = scientist.transport.request("GET", path, params={"language": "en", "disposition": "inline"})
    assert opened.headers["content-disposition"].startswith("inline")
    assert opened.headers["content-security-policy"] == policy


def test_a_finished_report_is_kept_once_and_a_deleted_one_not_at_all(
    scientist: Client, model: str, database: Database
) -> None:
    report = scientist.reports.create(model=model, languages=["en"])
    keep(database, report)
    with pytest.raises(run.Withdrawn):
        run.keep(database, report.job_id, {"verdict": "bad", "files": {"en": "again"}})
    assert scientist.reports.get(report.id).verdict == "ok"
    other = scientist.reports.create(model=model, days=2)
    scientist.reports.delete(other.id)
    assert scientist.jobs.get(other.job_id).state == "cancelled"
    with pytest.raises(run.Withdrawn):
        run.keep(database, other.job_id, {"verdict": "bad", "files": {"en": "late"}})
    scientist.reports.delete(report.id)
    with database.read() as session:
        assert session.scalars(select(ReportFile)).all() == []


def test_a_viewer_asks_and_reads_but_neither_deletes_nor_schedules(
    sign_in: Callable[..., Client], model: str, database: Database
) -> None:
    viewer = sign_in("viewer")
    report = viewer.reports.create(model=model, languages=["en"])
    keep(database, report)
    assert [one.id for one in viewer.reports.list(model)] == [report.id]
    assert viewer.transport.request("GET", f"/v1/reports/{report.id}/file").status_code == 200
    for forbidden in (lambda: viewer.reports.delete(report.id), lambda: viewer.reports.create_schedule(model=model)):
        with pytest.raises(ApiError) as refused:
            forbidden()
        assert refused.value.status == 403
    for days in range(20, 25):
        viewer.reports.create(model=model, days=days)
    with pytest.raises(ApiError) as refused:
        viewer.reports.create(model=model, days=30)
    assert (refused.value.status, refused.value.code) == (409, "too_many_reports")


def test_the_client_of_a_report_reads_numbers_of_its_model_and_nothing_else(
    settings: Settings, model: str, database: Database
) -> None:
    start, end = utc_now() - timedelta(days=1), utc_now()
    with reading_client(settings, model) as client:
        assert client.reports.activity(model, start, end).n_labels == 6
        assert [one.model for one in client.monitors.summary(start, end).models] == [model]
        forbidden: list[tuple[str, str]] = [
            ("GET", f"/v1/labelled-data?model={model}"), ("GET", f"/v1/decisions?model={model}"),
            ("GET", "/v1/jobs"), ("GET", f"/v1/predictions?model={model}"), ("GET", "/v1/users"),
            ("POST", "/v1/models"), ("POST", "/v1/predictions"), ("GET", f"/v1/datasets?model={model}"),
        ]  # fmt: skip
        for method, path in forbidden:
            with pytest.raises(ApiError) as refused:
                client.transport.request(method, path)
            assert refused.value.status == 403, path
        with pytest.raises(ApiError) as refused:
            client.reports.activity("another", start, end)
        assert refused.value.status == 404


def test_a_lent_principal_ends_with_its_time(app: Any, model: str) -> None:
    from backend.auth.rules import Principal

    authenticator = app.app.state.services.authenticator
    reader = Principal("key", "r", "r", scopes=frozenset({"models:read"}))
    for lifetime_s, status in ((60.0, 200), (-1.0, 401)):
        token = authenticator.lend(reader, lifetime_s)
        assert app.get("/v1/models", headers={"Authorization": f"Bearer {token}"}).status_code == status


# --- schedules -----------------------------------------------------------------------------------------------------


def set_due(database: Database, schedule_id: str, at: datetime) -> None:
    with database.write() as session:
        schedule = session.get(ReportSchedule, schedule_id)
        assert schedule is not None
        schedule.next_due_at = at


def scheduled(database: Database) -> list[Report]:
    with database.read() as session:
        return list(session.scalars(select(Report).where(Report.due_at.is_not(None)).order_by(Report.id)))


def test_a_missed_schedule_runs_once_for_the_latest_moment_and_never_twice(
    scientist: Client, model: str, database: Database
) -> None:
    schedule = scientist.reports.create_schedule(
        model=model, weekday=0, hour=7, timezone="Asia/Ho_Chi_Minh", languages=["vi"]
    )
    set_due(database, schedule.id, MONDAY_7 - timedelta(weeks=3))  # three weeks without a worker
    back = MONDAY_7 + timedelta(hours=5)
    assert make_due_reports(database, back) == 1
    assert make_due_reports(database, back) == 0
    assert make_due_reports(database, back + timedelta(days=6)) == 0
    set_due(database, schedule.id, MONDAY_7)  # the clock was set back
    assert make_due_reports(database, back) == 0
    assert make_due_reports(database, MONDAY_7 + timedelta(weeks=1)) == 1
    first, second = scheduled(database)
    assert (first.due_at, second.due_at) == (MONDAY_7, MONDAY_7 + timedelta(weeks=1))
    assert (first.window_start, first.window_end) == (
        datetime(2026, 3, 1, 17, tzinfo=UTC),
        datetime(2026, 3, 8, 17, tzinfo=UTC),
    )
    assert first.languages == ["vi"]
    assert [one.last_due_at for one in scientist.reports.schedules(model)] == [second.due_at]


def test_two_workers_make_one_report(scientist: Client, model: str, database: Database) -> None:
    schedule = scientist.reports.create_schedule(model=model)
    set_due(database, schedule.id, MONDAY_7)
    from db.repositories import reports

    with database.read() as session:
        seen_by_both = reports.due_schedules(session, MONDAY_7)
    assert make_due_reports(database, MONDAY_7) == 1
    with database.write() as session:
        assert not reports.move_on(session, seen_by_both[0], MONDAY_7, MONDAY_7 + timedelta(weeks=1))
    assert len(scheduled(database)) == 1


def test_a_schedule_that_cannot_be_worked_out_does_not_hold_up_the_others(
    scientist: Client, model: str, database: Database
) -> None:
    broken, whole = (scientist.reports.create_schedule(model=model, hour=hour) for hour in (6, 7))
    for one in (broken, whole):
        set_due(database, one.id, MONDAY_7 - timedelta(days=1))
    with database.write() as session:
        row = session.get(ReportSchedule, broken.id)
        assert row is not None
        row.timezone = "Mars/Olympus"
    assert make_due_reports(database, MONDAY_7 + timedelta(days=1)) == 1
    assert [one.schedule_id for one in scheduled(database)] == [whole.id]


def test_a_paused_or_changed_schedule_makes_up_for_nothing(
    scientist: Client, model: str, database: Database, channel: str
) -> None:
    schedule = scientist.reports.create_schedule(model=model, weekday=2, hour=5)
    paused = scientist.reports.change_schedule(schedule.id, is_active=False)
    set_due(database, schedule.id, utc_now() - timedelta(days=30))
    assert make_due_reports(database, utc_now()) == 0
    changed = scientist.reports.change_schedule(schedule.id, is_active=True, hour=6, channel_id=channel)
    assert not paused.is_active
    assert (changed.weekday, changed.hour, changed.channel_id) == (2, 6, channel)
    assert utc_now() < changed.next_due_at <= utc_now() + timedelta(days=7)
    assert scientist.reports.change_schedule(schedule.id, channel_id=None).channel_id is None
    scientist.reports.delete_schedule(schedule.id)
    assert scientist.reports.schedules(model) == []


def test_a_channel_that_is_not_there_is_refused_and_one_that_went_is_told(
    scientist: Client, sign_in: Callable[..., Client], model: str, database: Database, channel: str
) -> None:
    nowhere = "0" * 36
    schedule = scientist.reports.create_schedule(model=model)
    for wrong in (
        lambda: scientist.reports.create(model=model, channel_id=nowhere),
        lambda: scientist.reports.create_schedule(model=model, channel_id=nowhere),
        lambda: scientist.reports.change_schedule(schedule.id, channel_id=nowhere),
    ):
        with pytest.raises(ApiError) as refused:
            wrong()
        assert (refused.value.status, refused.value.code) == (422, "unknown_channel")
    report = scientist.reports.create(model=model, languages=["en"], channel_id=channel)
    sign_in("admin").channels.delete(channel)
    keep(database, report)
    assert scientist.reports.get(report.id).delivery == "no_channel"
    assert messages(database) == []


@pytest.mark.parametrize(
    "fields", [{"timezone": "Mars/Olympus"}, {"weekday": 7}, {"hour": 24}, {"languages": []}, {"languages": ["xx"]}]
)
def test_a_schedule_that_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ScheduleCreate(model="m", **fields)


def test_reports_past_their_time_are_thrown_away_unless_kept_for_ever(
    scientist: Client, model: str, database: Database
) -> None:
    old, new = (scientist.reports.create(model=model, days=days) for days in (1, 2))
    with database.write() as session:
        row = session.get(Report, old.id)
        assert row is not None
        row.created_at = utc_now() - timedelta(days=100)
    for report_days, left in ((0, 2), (101, 2), (99, 1)):
        with database.write() as session:
            retention.remove_old(session, utc_now(), idempotency_hours=1, quarantine_days=1, report_days=report_days)
        assert len(scientist.reports.list(model)) == left
    assert [one.id for one in scientist.reports.list()] == [new.id]

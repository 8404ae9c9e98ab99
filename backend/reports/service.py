"""Asking for reports, reading what there is, and the counts of people's work that a report shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Conflict, Invalid, NotFound
from backend.reports import rules
from backend.reports.schemas import (
    Activity,
    DatasetLine,
    PeopleCounts,
    QueueCounts,
    ReportCreate,
    ReportFileInfo,
    ReportInfo,
    RunLine,
)
from db.base import new_id
from db.engine import WriteSession
from db.models.learn import Dataset, Job, RetrainingRun
from db.models.model import Model
from db.models.report import Report, ReportFile
from db.repositories import activity, audit, channels, datasets, jobs, models, reports
from db.repositories.labelled_data import LabelFilter, count_labels

#: Reports of one model that may wait or be made at a time: anybody who may read numbers may ask for one.
MAX_OPEN = 5


def require_report(session: Session, me: Principal, report_id: str) -> tuple[Report, Model]:
    """The report with its model; NotFound also for one of a model that this principal may not use."""
    report = reports.get_report(session, report_id)
    model = models.get_model(session, report.model_id) if report else None
    if report is None or model is None or not me.may_use_model(model.name):
        raise NotFound("there is no such report", details={"report": report_id})
    return report, model


def require_file(session: Session, me: Principal, report_id: str, language: str) -> tuple[ReportFile, Report, Model]:
    """The file of a report in one language."""
    report, model = require_report(session, me, report_id)
    file = reports.get_file(session, report.id, language)
    if file is None:
        job = jobs.get_job(session, report.job_id)
        details = {"languages": report.languages, "state": job.state if job else None}
        raise NotFound("this report has no file in this language", code="no_report_file", details=details)
    return file, report, model


def request_report(session: WriteSession, me: Principal, model: Model, wish: ReportCreate, now: datetime) -> Report:
    """Queue a report; the same request twice gives the same report while that is not made."""
    check_channel(session, wish.channel_id)
    models.lock_model(session, model.id)
    start, end = rules.window_until(now if wish.end is None else wish.end, wish.days, wish.timezone)
    asked = wish.model_dump(mode="json")
    waiting = reports.open_reports(session, model.id)
    for known in waiting:
        job = jobs.get_job(session, known.job_id)
        if job is not None and job.parameters.get("request") == asked:
            return known
    if len(waiting) >= MAX_OPEN:
        raise Conflict(f"{MAX_OPEN} reports of this model are being made already", code="too_many_reports")
    report = queue_report(
        session,
        Report(
            model_id=model.id,
            window_start=start,
            window_end=end,
            timezone=wish.timezone,
            languages=list(wish.languages),
            channel_id=wish.channel_id,
            created_by=me.actor,
        ),
        {"request": asked},
    )
    audit.record(session, me.actor, "report.requested", f"model:{model.name}", {"report": report.id})
    return report


def check_channel(session: Session, channel_id: str | None) -> None:
    """Invalid where a report would go to a channel that does not exist."""
    if channel_id is not None and channels.get_channel(session, channel_id) is None:
        raise Invalid("there is no such channel", code="unknown_channel", details={"channel_id": channel_id})


def queue_report(session: Session, report: Report, parameters: dict[str, Any]) -> Report:
    """Add a report together with the job that makes it."""
    report.id = new_id()
    shown = {**parameters, "report_id": report.id, "languages": report.languages}
    job = Job(id=new_id(), kind="report", model_id=report.model_id, parameters=shown, created_by=report.created_by)
    jobs.add_job(session, job)
    report.job_id = job.id
    return reports.add_report(session, report)


def delete_report(session: WriteSession, me: Principal, report: Report, model: Model, now: datetime) -> None:
    """Delete a report with its files, and end its job when it is still being made."""
    jobs.cancel_job(session, report.job_id, now)
    details = {"report": report.id, "window_start": report.window_start.isoformat()}
    reports.remove_report(session, report)
    audit.record(session, me.actor, "report.deleted", f"model:{model.name}", details)


def read_reports(session: Session, found: Sequence[Report], now: datetime) -> list[ReportInfo]:
    """Reports as the API shows them."""
    names: dict[str, str] = {}
    for model_id in {report.model_id for report in found}:
        model = models.get_model(session, model_id)
        names[model_id] = model.name if model else ""
    files = reports.file_facts(session, [report.id for report in found])
    return [_read(session, report, names[report.model_id], files.get(report.id, []), now) for report in found]


def _read(
    session: Session, report: Report, model: str, files: Sequence[tuple[str, int, str]], now: datetime
) -> ReportInfo:
    job = jobs.get_job(session, report.job_id)
    assert job is not None  # a report goes with its job
    own = {"model", "files", "state", "is_stalled", "progress", "step", "error"}
    return ReportInfo(
        **{name: getattr(report, name) for name in ReportInfo.model_fields if name not in own},
        model=model,
        files=[ReportFileInfo(language=lang, n_bytes=n, sha256=sha256) for lang, n, sha256 in files],
        state=job.state,
        is_stalled=jobs.is_stalled(job, now),
        progress=job.progress,
        step=job.step,
        error=job.error,
    )


def count_activity(session: Session, model: Model, start: datetime, end: datetime) -> Activity:
    """What people did in [start, end) and in the equally long time before."""
    before = start - (end - start)
    latest = next(iter(datasets.list_datasets(session, model.id, limit=1)), None)

    def labels(first: datetime, last: datetime) -> dict[str, int]:
        return count_labels(session, model.id, LabelFilter(start=first, end=last))

    return Activity(
        model=model.name,
        start=start,
        end=end,
        people=PeopleCounts(**dataclasses.asdict(activity.people_of(session, model.id, start, end))),
        people_before=PeopleCounts(**dataclasses.asdict(activity.people_of(session, model.id, before, start))),
        labels=labels(start, end),
        labels_before=labels(before, start),
        items=_queue(session, model, start, end, disputes=False),
        disputes=_queue(session, model, start, end, disputes=True),
        n_labels=activity.labels_since(session, model.id, None),
        n_labels_since_dataset=activity.labels_since(session, model.id, latest.created_at if latest else None),
        last_dataset=_dataset(latest) if latest else None,
        datasets=[_dataset(row) for row in activity.datasets_made(session, model.id, start, end)],
        runs=[_run(session, row) for row in activity.runs_begun(session, model.id, start, end)],
    )


def _queue(session: Session, model: Model, start: datetime, end: datetime, *, disputes: bool) -> QueueCounts:
    return QueueCounts(**dataclasses.asdict(activity.queue_of(session, model.id, start, end, disputes=disputes)))


def _dataset(row: Dataset) -> DatasetLine:
    return DatasetLine(name=row.name, n_items=row.n_items, created_at=row.created_at)


def _run(session: Session, row: RetrainingRun) -> RunLine:
    job, dataset = jobs.get_job(session, row.job_id), datasets.get_dataset(session, row.dataset_id)
    new, parent = row.metrics.get("new") or {}, row.metrics.get("parent") or {}
    return RunLine(
        parent_version=row.parent_version,
        new_version=row.new_version,
        dataset=dataset.name if dataset else None,
        state=job.state if job else "failed",
        accuracy=new.get("accuracy"),
        parent_accuracy=parent.get("accuracy"),
        created_at=row.created_at,
    )

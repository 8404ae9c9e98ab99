"""A report inside the worker: written in a process of its own, then kept together with the end of its job."""

from __future__ import annotations

import gzip
import hashlib
from typing import Any

from sqlalchemy.orm import Session

from backend.reports.child import Task, main
from backend.reports.outbox import hand_over
from backend.settings import Settings
from backend.worker.children import ChildFailed, Watch, supervise
from db.base import utc_now
from db.engine import Database
from db.models.report import Report, ReportFile
from db.repositories import audit, jobs, models, reports

#: A report reads roll-ups: seconds. One that takes this long hangs.
LIMIT_S = 600.0
#: Without pictures a report has some hundred kilobytes.
MAX_FILE_BYTES = 8 * 2**20


class ReportFailed(RuntimeError):
    """The report could not be written; the message says why."""


class Withdrawn(RuntimeError):
    """The report was deleted or its job ended while it was being written; nothing of it is kept."""


def make(database: Database, settings: Settings, job_id: str, watch: Watch) -> None:
    """Write the report of a job and keep it. Raises ReportFailed or Withdrawn."""
    task = _task(database, settings, job_id)

    def tell(fraction: float, step: str) -> None:
        watch.tell(0.95 * fraction, step)

    try:
        written = supervise(main, task, watch, tell, name="soi-report", limit_s=LIMIT_S)
    except ChildFailed as error:
        raise ReportFailed(str(error)) from error
    keep(database, job_id, written)


def _task(database: Database, settings: Settings, job_id: str) -> Task:
    with database.read() as session:
        report = _report(session, job_id)
        model = models.get_model(session, report.model_id)
        assert model is not None  # its reports go with a model
        return Task(
            settings=settings.model_copy(update={"bootstrap_token": None}),
            report_id=report.id,
            model=model.name,
            start=report.window_start,
            end=report.window_end,
            timezone=report.timezone,
            languages=tuple(report.languages),
        )


def keep(database: Database, job_id: str, written: dict[str, Any]) -> None:
    """In one transaction: the files, the verdict, the message to the outbox, and the end of the job. Never twice."""
    packed = {language: _pack(language, html) for language, html in written["files"].items()}
    with database.write() as session:
        report = _report(session, job_id)
        model = models.get_model(session, report.model_id)
        assert model is not None
        result = {"report_id": report.id, "verdict": written["verdict"]}
        if not jobs.finish_job(session, job_id, "done", utc_now(), result=result):
            raise Withdrawn(job_id)
        for language, (html_gzip, n_bytes, sha256) in packed.items():
            file = ReportFile(
                report_id=report.id, language=language, html_gzip=html_gzip, n_bytes=n_bytes, sha256=sha256
            )
            reports.add_file(session, file)
        report.verdict = written["verdict"]
        if report.channel_id is not None:
            report.delivery = hand_over(session, report, model.name, utc_now())
        details = {"report": report.id, "verdict": report.verdict, "delivery": report.delivery}
        audit.record(session, report.created_by, "report.made", f"model:{model.name}", details)


def _pack(language: str, html: str) -> tuple[bytes, int, str]:
    plain = html.encode()
    if len(plain) > MAX_FILE_BYTES:
        raise ReportFailed(f"the report in {language} has {len(plain):,} bytes, more than {MAX_FILE_BYTES:,}")
    return gzip.compress(plain, 6, mtime=0), len(plain), hashlib.sha256(plain).hexdigest()


def _report(session: Session, job_id: str) -> Report:
    report = reports.find_report_of_job(session, job_id)
    if report is None:
        raise Withdrawn(job_id)
    return report

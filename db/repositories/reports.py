"""Reports with their files, and the schedules that make them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.orm import Session

from db.models.learn import Job
from db.models.report import Report, ReportFile, ReportSchedule
from db.repositories.jobs import OPEN_STATES

# --- reports -------------------------------------------------------------------------------------------------------


def get_report(session: Session, report_id: str) -> Report | None:
    return session.get(Report, report_id)


def find_report_of_job(session: Session, job_id: str) -> Report | None:
    return session.scalars(select(Report).where(Report.job_id == job_id)).one_or_none()


def find_scheduled(session: Session, schedule_id: str, due_at: datetime) -> Report | None:
    """The report of one moment of a schedule."""
    query = select(Report).where(Report.schedule_id == schedule_id, Report.due_at == due_at)
    return session.scalars(query).one_or_none()


def list_reports(
    session: Session, model_ids: list[str], *, before_id: str | None = None, limit: int = 50
) -> list[Report]:
    """Reports of some models, newest first; ids are ordered by time."""
    query = select(Report).where(Report.model_id.in_(model_ids)).order_by(Report.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(Report.id < before_id)
    return list(session.scalars(query))


def open_reports(session: Session, model_id: str) -> list[Report]:
    """Reports of a model that are being made or wait for it."""
    query = select(Report).join(Job, Job.id == Report.job_id)
    return list(session.scalars(query.where(Report.model_id == model_id, Job.state.in_(OPEN_STATES))))


def add_report(session: Session, report: Report) -> Report:
    session.add(report)
    session.flush()
    return report


def remove_report(session: Session, report: Report) -> None:
    session.delete(report)
    session.flush()


def remove_old_reports(session: Session, before: datetime) -> int:
    """Delete reports made before a moment, with their files; how many."""
    return _touched(session, delete(Report).where(Report.created_at < before))


# --- files ---------------------------------------------------------------------------------------------------------


def add_file(session: Session, file: ReportFile) -> None:
    session.add(file)
    session.flush()


def get_file(session: Session, report_id: str, language: str) -> ReportFile | None:
    return session.get(ReportFile, (report_id, language))


def file_facts(session: Session, report_ids: list[str]) -> dict[str, list[tuple[str, int, str]]]:
    """(language, bytes, sha256) of the files of each report, without their contents."""
    query = select(ReportFile.report_id, ReportFile.language, ReportFile.n_bytes, ReportFile.sha256)
    found: dict[str, list[tuple[str, int, str]]] = {}
    for report_id, language, n_bytes, sha256 in session.execute(
        query.where(ReportFile.report_id.in_(report_ids)).order_by(ReportFile.language)
    ):
        found.setdefault(report_id, []).append((language, n_bytes, sha256))
    return found


# --- schedules -----------------------------------------------------------------------------------------------------


def get_schedule(session: Session, schedule_id: str) -> ReportSchedule | None:
    return session.get(ReportSchedule, schedule_id)


def list_schedules(session: Session, model_ids: list[str], *, limit: int = 200) -> list[ReportSchedule]:
    """Schedules of some models, oldest first."""
    query = select(ReportSchedule).where(ReportSchedule.model_id.in_(model_ids))
    return list(session.scalars(query.order_by(ReportSchedule.id).limit(limit)))


def due_schedules(session: Session, now: datetime, *, limit: int = 50) -> list[ReportSchedule]:
    """Active schedules whose moment has come, the longest overdue first."""
    query = select(ReportSchedule).where(ReportSchedule.is_active.is_(True), ReportSchedule.next_due_at <= now)
    return list(session.scalars(query.order_by(ReportSchedule.next_due_at).limit(limit)))


def move_on(session: Session, schedule: ReportSchedule, last_due_at: datetime, next_due_at: datetime) -> bool:
    """Take a due moment: False when another worker took it first, or the schedule was changed meanwhile."""
    statement = (
        update(ReportSchedule)
        .where(ReportSchedule.id == schedule.id, ReportSchedule.is_active.is_(True))
        .where(ReportSchedule.next_due_at == schedule.next_due_at)
        .values(last_due_at=last_due_at, next_due_at=next_due_at)
    )
    return _touched(session, statement) == 1


def add_schedule(session: Session, schedule: ReportSchedule) -> ReportSchedule:
    session.add(schedule)
    session.flush()
    return schedule


def remove_schedule(session: Session, schedule: ReportSchedule) -> None:
    session.delete(schedule)
    session.flush()


def _touched(session: Session, statement: Any) -> int:
    answer = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(answer, CursorResult)
    return int(answer.rowcount)

"""Schedules: making and changing them, and turning the moments they are due into reports. The worker calls
`make_due_reports`; the router the rest."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Conflict, NotFound
from backend.reports import rules
from backend.reports.schemas import ScheduleCreate, ScheduleInfo, SchedulePatch
from backend.reports.service import check_channel, queue_report
from db.engine import Database, WriteSession
from db.models.model import Model
from db.models.report import Report, ReportSchedule
from db.repositories import audit, models, reports

log = structlog.get_logger("soi.reports")

MAX_SCHEDULES = 20


def require_schedule(session: Session, me: Principal, schedule_id: str) -> tuple[ReportSchedule, Model]:
    """The schedule with its model; NotFound also for one of a model that this principal may not use."""
    schedule = reports.get_schedule(session, schedule_id)
    model = models.get_model(session, schedule.model_id) if schedule else None
    if schedule is None or model is None or not me.may_use_model(model.name):
        raise NotFound("there is no such schedule", details={"schedule": schedule_id})
    return schedule, model


def add_schedule(
    session: WriteSession, me: Principal, model: Model, wish: ScheduleCreate, now: datetime
) -> ReportSchedule:
    """A new schedule; its first report is made at the first moment after now."""
    check_channel(session, wish.channel_id)
    models.lock_model(session, model.id)
    if len(reports.list_schedules(session, [model.id])) >= MAX_SCHEDULES:
        raise Conflict(f"a model has at most {MAX_SCHEDULES} schedules", code="too_many_schedules")
    fields = wish.model_dump(exclude={"model"})
    rule = rules.Weekly(wish.weekday, wish.hour, wish.timezone)
    schedule = ReportSchedule(**fields, model_id=model.id, created_by=me.actor, next_due_at=rules.next_due(rule, now))
    reports.add_schedule(session, schedule)
    audit.record(session, me.actor, "report_schedule.created", f"model:{model.name}", {"id": schedule.id, **fields})
    return schedule


def change_schedule(
    session: WriteSession, me: Principal, schedule: ReportSchedule, model: Model, patch: SchedulePatch, now: datetime
) -> ReportSchedule:
    """Change it; what was due before the change is not made up for."""
    given = patch.model_dump(exclude_unset=True)
    check_channel(session, given.get("channel_id"))
    changes = {name: value for name, value in given.items() if value is not None or name == "channel_id"}
    for name, value in changes.items():
        setattr(schedule, name, value)
    schedule.next_due_at = rules.next_due(rule_of(schedule), now)
    session.flush()
    audit.record(session, me.actor, "report_schedule.changed", f"model:{model.name}", {"id": schedule.id, **changes})
    return schedule


def delete_schedule(session: WriteSession, me: Principal, schedule: ReportSchedule, model: Model) -> None:
    """Its reports stay."""
    audit.record(session, me.actor, "report_schedule.deleted", f"model:{model.name}", {"id": schedule.id})
    reports.remove_schedule(session, schedule)


def read_schedule(schedule: ReportSchedule, model: Model) -> ScheduleInfo:
    """A schedule as the API shows it."""
    columns = [name for name in ScheduleInfo.model_fields if name != "model"]
    return ScheduleInfo(**{name: getattr(schedule, name) for name in columns}, model=model.name)


def rule_of(schedule: ReportSchedule) -> rules.Weekly:
    return rules.Weekly(schedule.weekday, schedule.hour, schedule.timezone)


def make_due_reports(database: Database, now: datetime) -> int:
    """Queue a report for every schedule whose moment has come; how many.

    Moments that passed while no worker ran make one report, for the latest of them. A schedule that cannot be worked
    out (its time zone is gone) is logged and does not hold up the others.
    """
    with database.read() as session:
        due = reports.due_schedules(session, now)
    n_made = 0
    for schedule in due:
        try:
            with database.write() as session:
                n_made += _make(session, schedule, now)
        except (KeyError, ValueError, SQLAlchemyError) as error:
            log.warning("schedule not run", schedule=schedule.id, error=f"{type(error).__name__}: {error}"[:300])
    return n_made


def _make(session: Session, schedule: ReportSchedule, now: datetime) -> bool:
    rule = rule_of(schedule)
    due_at = rules.last_due(rule, now)
    if not reports.move_on(session, schedule, due_at, rules.next_due(rule, now)):
        return False
    if reports.find_scheduled(session, schedule.id, due_at) is not None:
        return False
    start, end = rules.window_of(rule, due_at)
    report = Report(
        model_id=schedule.model_id,
        schedule_id=schedule.id,
        due_at=due_at,
        window_start=start,
        window_end=end,
        timezone=schedule.timezone,
        languages=list(schedule.languages),
        channel_id=schedule.channel_id,
        created_by=schedule.created_by,
    )
    queue_report(session, report, {"schedule_id": schedule.id, "due_at": due_at.isoformat()})
    log.info("report due", schedule=schedule.id, report=report.id, due_at=due_at.isoformat())
    return True

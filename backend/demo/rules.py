"""What the demonstration's people have declared beside the line: gates of automation, a drift rule, a weekly report."""

from __future__ import annotations

from backend.alerts.schemas import RuleIn
from backend.alerts.service import create_rule
from backend.auth.rules import Principal
from backend.automation.schemas import Policy
from backend.automation.service import put_policy
from backend.demo.story import MODEL, Story
from backend.planted_items.schemas import PlantedIn
from backend.planted_items.service import store
from backend.reports.schedules import add_schedule
from backend.reports.schemas import ReportCreate, ScheduleCreate
from backend.reports.service import request_report
from backend.worker.automation import AutomationJudge
from db.engine import Database, WriteSession
from db.eventlog.log import EventLog
from db.models.model import Model

_ZONE = "Asia/Ho_Chi_Minh"
#: A little help for people is due when four in five answers are right for certain; more, when few defects escape too.
_GATES = {
    "window_days": 30,
    "steps": [
        {
            "level": "assist",
            "gates": [{"kind": "accuracy", "target": 0.8}, {"kind": "audited_share", "minimum": 0.005}],
        },
        {
            "level": "partial",
            "gates": [
                {"kind": "accuracy", "target": 0.95},
                {"kind": "escape", "of": "passed", "limit": 0.03},
                {"kind": "drift"},
                {"kind": "latency", "quantile": "p95", "limit_ms": 120},
            ],
        },
    ],
    "accept": {"limit": 0.02},
}
#: The gates are looked at so many times, as the worker would.
_LOOKS = 6


def watch_drift(session: WriteSession, me: Principal) -> None:
    """A rule that tells when the brightness of a day has drifted."""
    create_rule(
        session,
        me,
        RuleIn.model_validate(
            {
                "name": "Trôi độ sáng · brightness drift",
                "model": MODEL,
                "measure": "drift",
                "window_s": 86_400,
                "every_s": 21_600,
                "condition": {"kind": "drift", "features": ["in_brightness"]},
                "severity": "high",
                "no_data": "ok",
            }
        ),
    )


def plant_known_items(session: WriteSession, me: Principal, model: Model, chosen: list[str]) -> None:
    """The boards whose truth is known, for the share of gold items that the review policy asks for."""
    for first in range(0, len(chosen), 1_000):
        store(session, me, model, [PlantedIn(subject_id=one) for one in chosen[first : first + 1_000]])


def declare_gates(database: Database, eventlog: EventLog, model: Model, me: Principal, story: Story) -> None:
    """Gates in force since the rollback, and the verdicts since then."""
    _, begun = story.slow_release
    with database.write() as session:
        policy = Policy.model_validate(_GATES)
        row = put_policy(session, me, model, "", policy, "help people first, decide alone when little escapes")
        row.created_at = begun
    judge = AutomationJudge(database, eventlog, language="en", give_up_hours=1)
    for look in range(_LOOKS):
        judge.run(begun + (story.end - begun) * (look + 1) / _LOOKS)


def ask_for_reports(session: WriteSession, me: Principal, model: Model, story: Story) -> None:
    """A report every Monday morning, and one now: the worker makes it as soon as it runs."""
    add_schedule(session, me, model, ScheduleCreate(model=MODEL, timezone=_ZONE), story.end)
    request_report(session, me, model, ReportCreate(model=MODEL, timezone=_ZONE), story.end)

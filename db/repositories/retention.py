"""What is thrown away when it is old: answers to repeated requests, refused rows, ended sessions, silent workers,
old reports."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, delete
from sqlalchemy.orm import Session

from db.models.event_log import IdempotencyKey, QuarantinedEvent
from db.models.learn import Worker
from db.models.person import UserSession
from db.repositories.reports import remove_old_reports


def remove_old(
    session: Session, now: datetime, *, idempotency_hours: float, quarantine_days: int, report_days: int = 0
) -> dict[str, int]:
    """Delete what is past its time; how many rows of each. `report_days` 0 keeps reports for ever."""
    quarantined_before = now - timedelta(days=quarantine_days)
    return {
        "idempotency_keys": _count(
            session, delete(IdempotencyKey).where(IdempotencyKey.created_at < now - timedelta(hours=idempotency_hours))
        ),
        "quarantined_events": _count(
            session,
            delete(QuarantinedEvent).where(QuarantinedEvent.received_at < quarantined_before),
        ),
        "user_sessions": _count(session, delete(UserSession).where(UserSession.expires_at < now)),
        "workers": _count(session, delete(Worker).where(Worker.heartbeat_at < now - timedelta(days=1))),
        "reports": remove_old_reports(session, now - timedelta(days=report_days)) if report_days else 0,
    }


def _count(session: Session, statement: Any) -> int:
    answer = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(answer, CursorResult)
    return int(answer.rowcount)

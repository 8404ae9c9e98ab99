"""What is thrown away when it is old: answers to repeated requests, refused rows, ended sessions, silent workers,
samples of processes, old reports, requests that waited for a person."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from db.models.event_log import IdempotencyKey, QuarantinedEvent
from db.models.learn import Worker
from db.models.pending import PendingAnswer
from db.models.person import UserSession
from db.models.signal import ProcessSample
from db.repositories.reports import remove_old_reports

#: What processes used is of interest for about a month.
KEEP_SAMPLES = timedelta(days=30)
#: A caller has this long to ask for what a person decided; the decision itself stays.
KEEP_PENDING = timedelta(days=90)
#: Rows of one kind deleted at once: on SQLite the logging door waits meanwhile.
PORTION = 1_000


def remove_old(
    session: Session, now: datetime, *, idempotency_hours: float, quarantine_days: int, report_days: int = 0
) -> dict[str, int]:
    """Delete what is past its time; how many rows of each. `report_days` 0 keeps reports for ever.

    Of keys and refused rows, of which there may be millions, at most PORTION: call again while that many went.
    """
    keys_before = now - timedelta(hours=idempotency_hours)
    quarantined_before = now - timedelta(days=quarantine_days)
    old_keys = select(IdempotencyKey.key).where(IdempotencyKey.created_at < keys_before).limit(PORTION)
    old_rows = select(QuarantinedEvent.id).where(QuarantinedEvent.received_at < quarantined_before).limit(PORTION)
    return {
        "idempotency_keys": _count(session, delete(IdempotencyKey).where(IdempotencyKey.key.in_(old_keys))),
        "quarantined_events": _count(session, delete(QuarantinedEvent).where(QuarantinedEvent.id.in_(old_rows))),
        "user_sessions": _count(session, delete(UserSession).where(UserSession.expires_at < now)),
        "workers": _count(session, delete(Worker).where(Worker.heartbeat_at < now - timedelta(days=1))),
        "process_samples": _count(session, delete(ProcessSample).where(ProcessSample.sampled_at < now - KEEP_SAMPLES)),
        "pending_answers": _count(session, delete(PendingAnswer).where(PendingAnswer.asked_at < now - KEEP_PENDING)),
        "reports": remove_old_reports(session, now - timedelta(days=report_days)) if report_days else 0,
    }


def _count(session: Session, statement: Any) -> int:
    answer = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(answer, CursorResult)
    return int(answer.rowcount)

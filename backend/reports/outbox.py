"""A finished report as a message to its channel: put into the outbox, which sends and tries again."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.models.report import Report
from db.repositories import channels, outbox

_GIVE_UP = timedelta(days=3)


def hand_over(session: Session, report: Report, model: str, now: datetime) -> str:
    """What became of it: handed_over, or no_channel where the channel is gone. Called in the transaction that ends the
    report's job, so a report is handed over exactly once or not at all."""
    if report.channel_id is None or channels.get_channel(session, report.channel_id) is None:
        return "no_channel"
    payload = {
        "model": model,
        "report_id": report.id,
        "verdict": report.verdict or "no_data",
        "languages": list(report.languages),
        "window_start": report.window_start.isoformat(),
        "window_end": report.window_end.isoformat(),
        "timezone": report.timezone,
    }
    message = {
        "dedupe_key": f"report:{report.id}:{report.channel_id}",
        "kind": "report",
        "channel_id": report.channel_id,
        "model_name": model,
        "payload": payload,
        "next_at": now,
        "give_up_at": now + _GIVE_UP,
    }
    outbox.add_messages(session, [message])
    return "handed_over"

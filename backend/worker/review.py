"""The worker's share in reviews: numbers what people resolved and tells channels of it, and gives items of people who
agree too seldom to others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from backend.reassignments.service import find_too_low, reassign
from db.engine import Database, WriteSession
from db.models.review_policy import Resolution
from db.repositories import channels, models, outbox, resolutions, review_policies, subjects

log = structlog.get_logger("soi.review")

#: Resolutions numbered in one transaction: on SQLite nobody else writes meanwhile.
PORTION = 200


def tell_resolutions(database: Database, now: datetime, give_up_hours: float) -> int:
    """Number what was resolved since, with one message to each channel of its model's policy; how many."""
    total = 0
    while True:
        with database.read() as reading:
            if not resolutions.has_unnumbered(reading):
                return total
        with database.write() as session:
            rows = resolutions.number_next(session, PORTION)
            _add_messages(session, rows, now, now + timedelta(hours=give_up_hours))
        total += len(rows)


def _add_messages(session: WriteSession, rows: Sequence[Resolution], now: datetime, give_up_at: datetime) -> None:
    messages: list[dict[str, Any]] = []
    for model_id in sorted({row.model_id for row in rows}):
        model = models.get_model(session, model_id)
        if model is None:
            continue
        own = [row for row in rows if row.model_id == model_id]
        known = subjects.find_subjects(session, model_id, {row.subject_id for row in own})
        policy = review_policies.current_policy(session, model)
        told = [one for one in policy.resolution_channels if channels.get_channel(session, one) is not None]
        for row in own:
            subject = known.get(row.subject_id)
            champion = subjects.champion_answer(subject.details) if subject is not None else None
            row.event_id = (champion or {}).get("event_id")
            messages += [
                {
                    "dedupe_key": f"resolution:{row.id}:{channel_id}",
                    "kind": "resolution",
                    "channel_id": channel_id,
                    "model_name": model.name,
                    "payload": _payload(model.name, row),
                    "next_at": now,
                    "give_up_at": give_up_at,
                }
                for channel_id in told
            ]
    session.flush()
    outbox.add_messages(session, messages)


def _payload(model: str, row: Resolution) -> dict[str, Any]:
    return {
        "model": model,
        "number": row.number,
        "resolution_id": row.id,
        "subject_id": row.subject_id,
        "event_id": row.event_id,
        "label": row.label,
        "method": row.method,
        "resolved_at": row.resolved_at.isoformat(),
    }


def check_people(database: Database, now: datetime) -> int:
    """Look at everyone's agreement where a policy sets a limit; how many people's items were given to others."""
    with database.read() as session:
        watched = review_policies.watched_models(session)
        policies = [(model, review_policies.current_policy(session, model)) for model in watched]
        due = [
            (model, policy, judge)
            for model, policy in policies
            for judge in sorted(find_too_low(session, model, policy, now))
        ]
    n = 0
    for model, policy, judge in due:
        with database.write() as writing:
            made = reassign(writing, model, policy, judge, now)
        if made is not None:
            n += 1
            log.info("items given to others", model=model.name, judge=judge, n_items=len(made.items))
    return n

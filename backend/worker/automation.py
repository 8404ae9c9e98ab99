"""Looks at the gates of every automation policy, keeps the verdicts, steps back and tells people.

Called by a thread of the worker. A round has a time limit: what it does not reach, the next round takes first. Two
workers may look at once: the transaction locks the model and looks whether what was evaluated still stands, and the
second one writes nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.orm import Session

from backend.automation import service
from backend.automation.collect import Source
from backend.automation.drifting import drift_look
from backend.automation.messages import Event, messages, rollout_reason
from backend.automation.service import Evaluated
from backend.worker import metrics
from db.analytics.answers import JudgedAnswers
from db.analytics.audited import Audited
from db.analytics.known import Knowledge
from db.analytics.series import Charts
from db.analytics.watched import Watcher
from db.base import utc_now
from db.engine import Database, WriteSession
from db.eventlog.log import EventLog
from db.models.automation import AutomationPolicy
from db.repositories import automation, channels, models, outbox, rollouts

log = structlog.get_logger("soi.automation")

#: One round looks at policies for at most this long.
ROUND_S = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did."""

    n_looked: int = 0
    n_moved: int = 0
    n_failed: int = 0
    n_messages: int = 0


class AutomationJudge:
    """The evaluation of one worker process."""

    def __init__(self, database: Database, eventlog: EventLog, *, language: str, give_up_hours: float) -> None:
        self.database, self.language = database, language
        self.give_up_after = timedelta(hours=give_up_hours)
        answers = JudgedAnswers(eventlog)
        self.source = Source(
            Audited(eventlog, Knowledge(database)),
            Watcher(Charts(database, eventlog, answers)),
            drift_look(database, eventlog, answers),
        )
        self._looked: dict[int, float] = {}

    def run(self, now: datetime | None = None, *, limit_s: float = ROUND_S) -> Round:
        """One round over the policies in force, the one that waited longest first."""
        begun = time.monotonic()
        with self.database.read() as session:
            policies = automation.policies_in_force(session)
            found = {row.model_id: models.get_model(session, row.model_id) for row in policies}
        counts = {"n_looked": 0, "n_moved": 0, "n_failed": 0, "n_messages": 0}
        for policy in sorted(policies, key=lambda row: self._looked.get(row.id, 0.0)):
            model = found[policy.model_id]
            if model is None or time.monotonic() - begun > limit_s:
                continue
            self._looked[policy.id] = time.monotonic()
            counts["n_looked"] += 1
            try:
                n_messages = self._one(model, policy, now or utc_now())
            except Exception as error:  # noqa: BLE001 - one policy's fault must not stop the others
                counts["n_failed"] += 1
                metrics.AUTOMATION_FAILURES.inc()
                log.warning("gates not evaluated", model=model.name, policy=policy.id, error=str(error)[:300])
                continue
            if n_messages is not None:
                counts["n_moved"] += 1
                counts["n_messages"] += n_messages
        metrics.AUTOMATION_SECONDS.observe(time.monotonic() - begun)
        return Round(**counts)

    def _one(self, model: Any, policy: AutomationPolicy, now: datetime) -> int | None:
        """Evaluate one policy and write what follows; how many messages a move made, None without a move."""
        found = service.evaluate(self.database, self.source, model, policy, now)
        with self.database.write() as session:
            models.lock_model(session, model.id)
            if not _still_stands(session, found):
                log.info("another one looked first", model=model.name, policy=policy.id)
                return None
            last = automation.last_verdict(session, model.id, policy.segment)
            event = self._event(session, found)
            if event is None:
                service.keep(session, found, last)
                return None
            return self._move(session, found, event, now)

    def _event(self, session: Session, found: Evaluated) -> Event | None:
        kind = found.verdict["kind"]
        if kind == "step_back":
            return "step_back"
        if kind == "promote" and found.verdict["is_automatic"]:
            return "promote"
        current = rollouts.current_rollout(session, found.model.id)
        changed_at = current.created_at if current is not None else None
        return "threshold" if service.threshold_change(found, changed_at) is not None else None

    def _move(self, session: WriteSession, found: Evaluated, event: Event, now: datetime) -> int:
        row = service.store(session, found)
        to = found.verdict["to"] if event != "threshold" else found.standing.level
        moved = service.move(
            session,
            found.model,
            found.segment,
            to,
            actor=f"policy:{found.policy_id}",
            reason=rollout_reason(found, self.language),
            acceptance=found.verdict["acceptance"],
            based_on=found.standing.rollout_id,
        )
        row.rollout_id = moved.id
        known = channels.list_channels(session, only_enabled=True)
        rows = messages(event, found, moved.id, known, now, now + self.give_up_after)
        log.info("automation moved", model=found.model.name, segment=found.segment, event_kind=event, to=to)
        metrics.AUTOMATION_MOVES.labels(event).inc()
        return outbox.add_messages(session, rows)


def _still_stands(session: Session, found: Evaluated) -> bool:
    """Whether rollout, policy and block are those that were evaluated."""
    current = rollouts.current_rollout(session, found.model.id)
    policy = automation.policy_in_force(session, found.model.id, found.segment)
    block = automation.open_block(session, found.model.id, found.segment)
    evaluated = found.evidence.get("block")
    return (
        (current.id if current is not None else None) == found.standing.rollout_id
        and policy is not None
        and policy.id == found.policy_id
        and (block.id if block is not None else None) == (evaluated["id"] if evaluated else None)
    )

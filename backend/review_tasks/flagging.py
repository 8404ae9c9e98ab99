"""An item that a person flagged is looked at by somebody else, at the rate that the review policy gives to flags."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from db.models.review import ReviewTask
from db.repositories import models, review_policies, review_tasks
from review.rules.queue import priority_of
from review.rules.sampling import FLAGGED, unit


def ask_another(session: Session, task: ReviewTask, now: datetime) -> None:
    """Queue the item once more. Its label is no evidence: a person picked it, not a lot."""
    model = models.get_model(session, task.model_id)
    assert model is not None
    policy = review_policies.current_policy(session, model)
    if unit(policy.seed, f"flagged:{task.subject_id}") >= policy.rates.get(FLAGGED, 0.0):
        return
    before = _find(session, task, policy.mode)
    if before is not None:
        if before.state == "skipped" and not before.n_decided:
            before.state, before.closed_at = "open", None
        return
    row = {
        "model_id": task.model_id,
        "subject_id": task.subject_id,
        "event_id": task.event_id,
        "reason": FLAGGED,
        "stratum": FLAGGED,
        "mode": policy.mode,
        "priority": priority_of(FLAGGED, task.subject_id, policy.seed),
        "pi": 0.0,
        "policy_id": FLAGGED,
        "seed": policy.seed,
        "item": task.item,
        "answers": [] if task.mode == "adjudicate" else task.answers,
        "segments": task.segments,
        "happened_at": now,
    }
    review_tasks.add_tasks(session, [row])


def ask_nobody(session: Session, task: ReviewTask, now: datetime) -> None:
    """The flag was taken back before anybody looked."""
    model = models.get_model(session, task.model_id)
    assert model is not None
    found = _find(session, task, review_policies.current_policy(session, model).mode)
    if found is not None and found.state == "open" and not found.n_decided:
        found.state, found.closed_at = "skipped", now
        found.lease_token = found.leased_to = found.lease_until = None


def _find(session: Session, task: ReviewTask, mode: str) -> ReviewTask | None:
    found = review_tasks.find_tasks(session, task.model_id, [task.subject_id], mode=mode, policy_id=FLAGGED)
    return found.get(task.subject_id)

"""Puts items whose answer is known between the work: gold, hidden repeats, and known defects that keep their share up.

Called by triage in the transaction that opens tasks, so each opened task brings its planted item along once. To the
person a planted item is like any other: nothing that leaves the server tells it apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from db.models.model import Model
from db.models.review import Subject
from db.repositories import planted_items, review_tasks, subjects
from db.repositories.resolution import item_of
from db.repositories.review_policies import Timeline
from review.rules.queue import priority_of
from review.rules.sampling import ReviewPolicy, planted_kind, unit

Shape = tuple[bool, bool, bool, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Carrier:
    """An item of work that was just queued: its subject, the policy that picked it, and what people see of it."""

    subject_id: str
    policy: ReviewPolicy
    shape: Shape


def shape_of(artifact: str | None, golden: str | None, details: Mapping[str, Any]) -> Shape:
    """What an item consists of: a picture, a golden sample, marked places, which inputs."""
    has_boxes = bool(details.get("boxes"))
    return artifact is not None, golden is not None, has_boxes, frozenset(details.get("inputs") or {})


def plant(session: Session, model: Model, timeline: Timeline, opened: Sequence[Carrier], now: datetime) -> int:
    """Planted items for newly opened subjects, each by the policy that opened it; how many."""
    if not opened or all(policy.planted_share == 0 for policy in timeline.policies):
        return 0
    rows = []
    taken: set[str] = set()
    for carrier in sorted(opened, key=lambda one: one.subject_id):
        kind = planted_kind(carrier.policy, carrier.subject_id)
        row = _row(session, model, kind, carrier, taken, now) if kind is not None else None
        if row is not None:
            taken.add(row["subject_id"])
            rows.append(row)
    return len(review_tasks.add_tasks(session, rows))


def _row(
    session: Session, model: Model, kind: str, carrier: Carrier, taken: set[str], now: datetime
) -> dict[str, Any] | None:
    policy = carrier.policy
    u = unit(policy.seed, f"which:{carrier.subject_id}")
    judge: str | None = None
    subject_id: str | None = None
    if kind == "repeat":
        before = now - timedelta(hours=policy.repeat_after_hours)
        found = planted_items.repeatable(session, model.id, before=before, u=u, taken=taken)
        subject_id, judge = found or (None, None)
    else:
        subject_id = planted_items.least_used(session, model.id, kind, u=u, taken=taken)
    if subject_id is None:
        return None
    subject = subjects.get_subject(session, model.id, subject_id)
    if subject is None or not _looks_like(subject, carrier):
        return None
    return {
        "model_id": model.id,
        "subject_id": subject_id,
        "event_id": (subject.details.get("champion") or {}).get("event_id"),
        "reason": kind,
        "stratum": kind,
        "mode": policy.mode,
        "priority": priority_of("random_audit", f"planted:{carrier.subject_id}", policy.seed),
        "pi": 0.0,
        "policy_id": _planted_id(policy, carrier.subject_id),
        "seed": policy.seed,
        "n_wanted": 1,
        "item": item_of(subject),
        "answers": subjects.machine_answers(subject.details),
        "segments": dict(subject.segments),
        "assigned_to": judge,
        "happened_at": now,
    }


def _looks_like(subject: Subject, carrier: Carrier) -> bool:
    """An item that lacks what the work has would stand out: a golden sample, an input, and where the machine's answer
    is shown after the person's own, that answer."""
    shape = shape_of(subject.artifact_sha256, subject.golden_sha256, subject.details)
    return shape == carrier.shape and (carrier.policy.mode == "blind" or bool(subject.details.get("champion")))


def _planted_id(policy: ReviewPolicy, carrier: str) -> str:
    """One per item of work, so that a subject can be planted again later."""
    return hashlib.blake2b(f"{policy.id}:{carrier}".encode(), digest_size=12).hexdigest()

"""Evaluating ladders, keeping verdicts, and moving a model or segment up or down. No SQL, no HTTP.

The worker calls it in rounds, the API for a person; both write in one transaction that looks again whether what was
evaluated still stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.automation.collect import Source, Wish, collect
from backend.automation.schemas import Policy
from backend.automation.standing import Standing, stood
from backend.errors import Conflict
from db.engine import Database, WriteSession
from db.models.automation import AutomationPolicy, AutomationVerdict
from db.models.model import Model, Rollout
from db.repositories import audit, automation, models, rollouts
from review.rules.automation import canonical, decide, digest
from review.rules.levels import above, beneath, moved

#: While nothing changes, a verdict is kept at most this often; one that changes is always kept.
KEEP_EVERY = timedelta(hours=6)
#: A threshold that may be lowered is lowered at most this often; one that must be raised is raised at once.
LOWER_EVERY = timedelta(days=1)
MAX_HISTORY = 10_000


@dataclass(frozen=True)
class Evaluated:
    """A verdict that is not written yet, with what it was made of."""

    model: Model
    segment: str
    policy_id: int
    standing: Standing
    evidence: dict[str, Any]
    policy: dict[str, Any]
    verdict: dict[str, Any]
    at: datetime

    @property
    def sha256(self) -> str:
        return digest([self.evidence, self.policy, self.verdict])


def evaluate(database: Database, source: Source, model: Model, policy: AutomationPolicy, now: datetime) -> Evaluated:
    """What the policy in force says now. Reads only."""
    assert policy.document is not None
    with database.read() as session:
        standing = standing_of(session, model, policy.segment)
        block = automation.open_block(session, model.id, policy.segment)
    document = dict(policy.document)
    evidence = empty_evidence(standing, now)
    if standing.version is not None and standing.since is not None:
        wish = Wish(
            model,
            policy.segment,
            standing.version,
            document["recent_days"],
            document["window_days"],
            [(standing.since, now)],
            needs_of(document),
            is_now=True,
        )
        evidence |= collect(source, wish)[0]
    evidence |= {"level": standing.level, "segment": policy.segment, "rollout": standing.rollout_id}
    evidence["block"] = {"id": block.id, "reason": block.reason} if block is not None else None
    return Evaluated(model, policy.segment, policy.id, standing, evidence, document, decide(evidence, document), now)


def standing_of(session: Session, model: Model, segment: str, at: datetime | None = None) -> Standing:
    """Where the ladder stands."""
    rows = rollouts.list_rollouts(session, model.id, limit=MAX_HISTORY)
    return stood(list(reversed(rows)), segment, at)


def empty_evidence(standing: Standing, at: datetime) -> dict[str, Any]:
    """What is known where nothing was logged."""
    nothing: dict[str, Any] = {"items": [], "drawn": []}
    moment = at.isoformat()
    return {
        "as_of": moment,
        "since": moment,
        "recent_since": moment,
        "version": standing.version,
        "champion": standing.champion,
        "level": standing.level,
        "counts": nothing,
        "recent": nothing,
        "labels_per_day": 0.0,
        "latency": None,
        "drift": None,
        "block": None,
    }


def needs_of(policy: Mapping[str, Any]) -> frozenset[str]:
    """The kinds of gates that a policy has: what need not be looked up is not."""
    return frozenset(gate["kind"] for step in policy["steps"] for gate in step["gates"])


# --- writing -------------------------------------------------------------------------------------------------------


def put_policy(
    session: WriteSession, me: Principal, model: Model, segment: str, policy: Policy, reason: str
) -> AutomationPolicy:
    """Put a policy in force as a new version."""
    row = AutomationPolicy(
        model_id=model.id,
        segment=segment,
        document=policy.model_dump(mode="json"),
        reason=reason,
        created_by=me.actor,
    )
    automation.add(session, row)
    details = {"policy": row.id, "segment": segment}
    audit.record(session, me.actor, "automation.policy_put", f"model:{model.name}", details, reason)
    return row


def keep(session: WriteSession, found: Evaluated, last: AutomationVerdict | None) -> AutomationVerdict | None:
    """Store a verdict when it says something new, or the last one is old; None when it is not worth a row."""
    verdict = found.verdict
    if last is not None:
        is_same = (last.kind, last.level, last.version, last.policy_id) == (
            verdict["kind"],
            verdict["level"],
            found.standing.version,
            found.policy_id,
        ) and canonical(verdict["key"]).decode() in last.verdict
        if is_same and found.at - last.decided_at < KEEP_EVERY:
            return None
    return store(session, found)


def store(session: WriteSession, found: Evaluated) -> AutomationVerdict:
    """Store a verdict with its evidence and policy as canonical JSON and their hash."""
    evidence, policy, verdict = (canonical(one).decode() for one in (found.evidence, found.policy, found.verdict))
    row = AutomationVerdict(
        model_id=found.model.id,
        segment=found.segment,
        policy_id=found.policy_id,
        kind=found.verdict["kind"],
        level=found.verdict["level"],
        version=found.standing.version,
        evidence=evidence,
        policy=policy,
        verdict=verdict,
        sha256=found.sha256,
        decided_at=found.at,
    )
    return automation.add(session, row)


def move(
    session: WriteSession,
    model: Model,
    segment: str,
    to: str,
    *,
    actor: str,
    reason: str,
    acceptance: Mapping[str, Any] | None = None,
    based_on: int | None = None,
) -> Rollout:
    """Put another level in force for a model or segment: the same champion and challengers, a new row.

    Conflict when another rollout came into force since `based_on`.
    """
    models.lock_model(session, model.id)
    before = rollouts.current_rollout(session, model.id)
    if before is None or (based_on is not None and before.id != based_on):
        raise Conflict("another rollout came into force meanwhile: look again", code="rollout_changed")
    if before.champion is None and to not in ("human_only", "shadow"):
        raise Conflict("a model that acts or assists needs a champion", code="no_champion")
    level, kept = moved(before.automation_level, before.automation, segment, to, acceptance)
    row = Rollout(
        model_id=model.id,
        champion=before.champion,
        challengers=list(before.challengers),
        automation_level=level,
        automation=kept,
        sticky_key=before.sticky_key,
        reason=reason,
        created_by=actor,
    )
    rollouts.add_rollout(session, row)
    details = {
        "rollout": row.id,
        "segment": segment,
        "automation_level": [before.automation_level, row.automation_level],
        "to": to,
        "threshold": (acceptance or {}).get("threshold"),
    }
    audit.record(session, actor, "automation.moved", f"model:{model.name}", details, reason)
    return row


def next_level(standing: Standing, direction: str) -> str:
    """The level that a person's click leads to; Conflict at the end of the ladder."""
    to = above(standing.level) if direction == "promote" else beneath(standing.level)
    if to is None:
        raise Conflict(f"{standing.level} is the end of the ladder", code="end_of_ladder")
    return to


def threshold_change(found: Evaluated, changed_at: datetime | None) -> dict[str, Any] | None:
    """The new threshold of a ladder at level "partial", where it must change; None where it stays.

    What must be raised (or taken away) is raised at once; what may be lowered waits a day, and for a person's click
    where the policy says so.
    """
    if found.standing.level != "partial":
        return None
    new = found.verdict["acceptance"] or {"threshold": None}
    old = (found.standing.acceptance or {}).get("threshold")
    now = new["threshold"]
    if now == old:
        return None
    if old is not None and (now is None or now > old):
        return dict(new)
    step = next((one for one in found.policy["steps"] if one["level"] == "partial"), None)
    is_due = changed_at is None or found.at - changed_at >= LOWER_EVERY
    return dict(new) if step is not None and step["promote"] == "automatic" and is_due else None

"""What the API shows of ladders, from rows. Reads only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from backend.automation.schemas import BlockOut, Ladder, PolicyOut, RecallOut, Rung, VerdictLine, VerdictOut
from backend.automation.service import standing_of
from db.analytics.outcomes import Scoring
from db.models.automation import AutomationBlock, AutomationPolicy, AutomationVerdict, Recall
from db.models.model import Model
from db.repositories import automation, rollouts, users
from review.rules.automation import canonical, decide


def ladder(session: Session, model: Model) -> Ladder:
    """The whole model and every segment that has a policy or stands by itself."""
    current = rollouts.current_rollout(session, model.id)
    stored = (current.automation or {}).get("segments") or [] if current is not None else []
    policies = {row.segment: row for row in automation.policies_in_force(session, model.id)}
    segments = {"", *policies, *(one["segment"] for one in stored)}
    return Ladder(
        model=model.name,
        segment_keys=list(model.segment_keys or ()),
        has_positives=has_positives(model),
        rungs=[_rung(session, model, segment, policies.get(segment)) for segment in sorted(segments)],
    )


def has_positives(model: Model) -> bool:
    """Whether the model has a label that must not be missed."""
    return bool(Scoring.of(model).positives)


def _rung(session: Session, model: Model, segment: str, policy: AutomationPolicy | None) -> Rung:
    standing = standing_of(session, model, segment)
    block = automation.open_block(session, model.id, segment)
    last = automation.last_verdict(session, model.id, segment) if policy is not None else None
    return Rung(
        segment=segment,
        level=standing.level,
        champion=standing.champion,
        acceptance=standing.acceptance,
        rollout_id=standing.rollout_id,
        policy=policies_out(session, [policy])[0] if policy is not None else None,
        block=blocks_out(session, [block])[0] if block is not None else None,
        verdict=verdict_out(last) if last is not None else None,
    )


def policies_out(session: Session, rows: Sequence[AutomationPolicy]) -> list[PolicyOut]:
    names = _names(session, [row.created_by for row in rows])
    return [
        PolicyOut(
            id=row.id,
            segment=row.segment,
            policy=row.document,
            reason=row.reason,
            created_by=row.created_by,
            created_by_name=names.get(row.created_by),
            created_at=row.created_at,
        )
        for row in rows
    ]


def blocks_out(session: Session, rows: Sequence[AutomationBlock]) -> list[BlockOut]:
    names = _names(session, [actor for row in rows for actor in (row.created_by, row.ended_by)])
    return [
        BlockOut.model_validate(row).model_copy(
            update={
                "created_by_name": names.get(row.created_by),
                "ended_by_name": names.get(row.ended_by or ""),
            }
        )
        for row in rows
    ]


def recalls_out(session: Session, rows: Sequence[Recall]) -> list[RecallOut]:
    names = _names(session, [row.created_by for row in rows])
    return [
        RecallOut.model_validate(row).model_copy(update={"created_by_name": names.get(row.created_by)}) for row in rows
    ]


def verdict_out(row: AutomationVerdict) -> VerdictOut:
    """A stored verdict; `is_replayed` works it out again and compares the bytes."""
    evidence, policy, verdict = (json.loads(text) for text in (row.evidence, row.policy, row.verdict))
    return VerdictOut(
        id=row.id,
        segment=row.segment,
        policy_id=row.policy_id,
        kind=verdict["kind"],
        level=row.level,
        version=row.version,
        evidence=evidence,
        policy=policy,
        verdict=verdict,
        sha256=row.sha256,
        is_replayed=canonical(decide(evidence, policy)).decode() == row.verdict,
        rollout_id=row.rollout_id,
        decided_at=row.decided_at,
    )


def verdict_line(row: AutomationVerdict) -> VerdictLine:
    verdict: dict[str, Any] = json.loads(row.verdict)
    return VerdictLine(
        id=row.id,
        segment=row.segment,
        kind=verdict["kind"],
        level=row.level,
        version=row.version,
        key=verdict["key"],
        to=verdict["to"],
        n_more=verdict["n_more"],
        rollout_id=row.rollout_id,
        decided_at=row.decided_at,
    )


def _names(session: Session, actors: Sequence[str | None]) -> dict[str, str]:
    people = {actor.removeprefix("user:") for actor in actors if actor and actor.startswith("user:")}
    return {f"user:{name}": shown for name, shown in users.names_of(session, people).items()}

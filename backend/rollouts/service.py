"""Making a rollout, and turning the history into marks for charts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Conflict, Invalid
from backend.rollouts.schemas import CHANGED, Changed, RolloutCreate, RolloutMark, RolloutRead
from db.engine import WriteSession
from db.models.model import Model, Rollout
from db.repositories import audit, model_versions, models, rollouts, users
from review.rules.levels import carried


def create_rollout(session: WriteSession, me: Principal, model: Model, wish: RolloutCreate) -> Rollout:
    """Put a rollout in force. Every version must exist; a segment must be declared by the model."""
    models.lock_model(session, model.id)
    before = rollouts.current_rollout(session, model.id)
    if wish.based_on is not None and wish.based_on != (before.id if before else 0):
        raise Conflict("another rollout came into force meanwhile: look again", code="rollout_changed")
    _check_names(session, model, wish)
    kept = None
    if before is not None:
        kept = carried(
            before.automation,
            wish.automation_level,
            same_champion=before.champion == wish.champion,
            same_level=before.automation_level == wish.automation_level,
        )
    row = Rollout(
        model_id=model.id,
        champion=wish.champion,
        challengers=[challenger.model_dump(mode="json") for challenger in wish.challengers],
        automation_level=wish.automation_level,
        automation=kept,
        reason=wish.reason,
        created_by=me.actor,
    )
    rollouts.add_rollout(session, row)
    details = {
        "rollout": row.id,
        "champion": [before.champion if before else None, row.champion],
        "challengers": [challenger["version"] for challenger in row.challengers],
        "automation_level": [before.automation_level if before else None, row.automation_level],
    }
    audit.record(session, me.actor, "rollout.created", f"model:{model.name}", details, wish.reason)
    return row


def read_rollouts(session: Session, model: Model, rows: Sequence[Rollout]) -> list[RolloutRead]:
    """What the API shows of rollouts, with the names of the people who made them."""
    people = {row.created_by.removeprefix("user:") for row in rows if row.created_by.startswith("user:")}
    names = users.names_of(session, people)
    columns = [name for name in RolloutRead.model_fields if name not in {"model", "created_by_name"}]
    return [
        RolloutRead(
            **{name: getattr(row, name) for name in columns},
            model=model.name,
            created_by_name=names.get(row.created_by.removeprefix("user:")),
        )
        for row in rows
    ]


def mark_changes(newest_first: Sequence[Rollout]) -> list[RolloutMark]:
    """Marks, oldest first, of the rollouts that changed something, each compared with the one before it."""
    marks = []
    ordered = list(reversed(newest_first))
    for before, row in zip([None, *ordered], ordered, strict=False):
        changes: list[Changed] = [
            name for name in CHANGED if before is None or getattr(before, name) != getattr(row, name)
        ]
        if changes:
            marks.append(
                RolloutMark(
                    id=row.id,
                    at=row.created_at,
                    changes=changes,
                    champion=row.champion,
                    previous_champion=before.champion if before else None,
                    automation_level=row.automation_level,
                    reason=row.reason,
                )
            )
    return marks


def _check_names(session: Session, model: Model, wish: RolloutCreate) -> None:
    names = {challenger.version for challenger in wish.challengers} | ({wish.champion} if wish.champion else set())
    unknown = sorted(names - model_versions.find_versions(session, model.id, names).keys())
    if unknown:
        raise Invalid("this model has no such version", code="version_unknown", details={"versions": unknown})
    keys = {key for challenger in wish.challengers for key in challenger.segments or {}}
    undeclared = sorted(keys - set(model.segment_keys))
    if undeclared:
        raise Invalid("this model declares no such segment", code="segment_unknown", details={"segments": undeclared})

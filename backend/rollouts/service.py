"""Making a rollout, going back to the one before, and turning the history into marks for charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Conflict, Invalid
from backend.rollouts.schemas import CHANGED, Changed, RollbackIn, RolloutCreate, RolloutMark, RolloutRead
from db.engine import WriteSession
from db.models.model import Model, Rollout
from db.repositories import audit, model_versions, models, rollouts, users
from review.rules.levels import carried
from review.rules.shares import answering, lay_out, ranges_of

#: Kinds of versions that nobody asks here: they cannot answer a share of what a version asked here answers.
_NOT_ASKED: Final = frozenset({"external", "human"})
#: How far back a rollback looks for somebody else.
_HISTORY: Final = 1_000


def create_rollout(session: WriteSession, me: Principal, model: Model, wish: RolloutCreate) -> Rollout:
    """Put a rollout in force. Every version must exist; a segment must be declared by the model."""
    before = _lock_current(session, model, wish.based_on)
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
        challengers=_laid_out(wish, before),
        automation_level=wish.automation_level,
        automation=kept,
        sticky_key=wish.sticky_key,
        reason=wish.reason,
        created_by=me.actor,
    )
    return _put_in_force(session, me, model, row, before, "rollout.created")


def roll_back(session: WriteSession, me: Principal, model: Model, wish: RollbackIn) -> Rollout:
    """Put who answered before in force again, to the same keys, at the level of then, as a new row.

    Rows that changed only the level or the shadows are passed over: going back to them would leave the same version in
    front of callers. Conflict when nobody else answered before.
    """
    current = _lock_current(session, model, wish.based_on)
    earlier = rollouts.list_rollouts(session, model.id, before_id=current.id, limit=_HISTORY) if current else []
    old = next((row for row in earlier if current is not None and _who(row) != _who(current)), None)
    if old is None:
        raise Conflict("nobody else answered for this model before", code="no_earlier_rollout")
    row = Rollout(
        model_id=model.id,
        champion=old.champion,
        challengers=list(old.challengers),
        automation_level=old.automation_level,
        automation=old.automation,
        sticky_key=old.sticky_key,
        reason=wish.reason,
        created_by=me.actor,
    )
    return _put_in_force(session, me, model, row, current, "rollout.rolled_back", back_to=old.id)


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


def _lock_current(session: WriteSession, model: Model, based_on: int | None) -> Rollout | None:
    """The rollout in force, with the model locked against another one; Conflict when it is not the one thought of."""
    models.lock_model(session, model.id)
    found = rollouts.current_rollout(session, model.id)
    if based_on is not None and based_on != (found.id if found else 0):
        raise Conflict("another rollout came into force meanwhile: look again", code="rollout_changed")
    return found


def _put_in_force(
    session: WriteSession, me: Principal, model: Model, row: Rollout, before: Rollout | None, action: str, **more: int
) -> Rollout:
    rollouts.add_rollout(session, row)
    details = {
        "rollout": row.id,
        "champion": [before.champion if before else None, row.champion],
        "challengers": [challenger["version"] for challenger in row.challengers],
        "automation_level": [before.automation_level if before else None, row.automation_level],
        **more,
    }
    audit.record(session, me.actor, action, f"model:{model.name}", details, row.reason)
    return row


def _who(row: Rollout) -> tuple[Any, ...]:
    return answering(row.champion, row.challengers, row.sticky_key)


def _laid_out(wish: RolloutCreate, before: Rollout | None) -> list[dict[str, Any]]:
    """The challengers as they are stored: those that answer callers with their parts of the traffic."""
    shares = {one.version: one.share for one in wish.challengers if one.mode != "shadow"}
    old_champion, old = (before.champion, ranges_of(before.challengers, before.champion)) if before else (None, {})
    parts = lay_out(wish.champion, shares, old_champion, old)
    stored = [one.model_dump(mode="json") for one in wish.challengers]
    return [one | ({"parts": parts[one["version"]]} if one["version"] in parts else {}) for one in stored]


def _check_names(session: Session, model: Model, wish: RolloutCreate) -> None:
    names = {challenger.version for challenger in wish.challengers} | ({wish.champion} if wish.champion else set())
    found = model_versions.find_versions(session, model.id, names)
    unknown = sorted(names - found.keys())
    if unknown:
        raise Invalid("this model has no such version", code="version_unknown", details={"versions": unknown})
    live = [challenger.version for challenger in wish.challengers if challenger.mode != "shadow"]
    silent = sorted(name for name in live if found[name].kind in _NOT_ASKED)
    if silent and wish.champion and found[wish.champion].kind != "external":
        message = "a version that is not asked here cannot answer a share of the requests"
        raise Invalid(message, code="version_not_asked", details={"versions": silent})
    keys = {key for challenger in wish.challengers for key in challenger.segments or {}}
    keys |= {wish.sticky_key} if wish.sticky_key else set()
    undeclared = sorted(keys - set(model.segment_keys))
    if undeclared:
        raise Invalid("this model declares no such segment", code="segment_unknown", details={"segments": undeclared})

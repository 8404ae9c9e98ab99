"""Declaring review policies: each is a new number with its author and reason; none is ever changed."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Conflict, Invalid
from backend.review_policies.schemas import PolicyCreate, PolicyFields, PolicyOut
from db.base import utc_now
from db.engine import WriteSession
from db.models.model import Model
from db.models.review_policy import ReviewPolicyVersion
from db.repositories import audit, channels, models, review_policies, users
from review.rules.sampling import ReviewPolicy


def make_policy(fields: PolicyFields) -> ReviewPolicy:
    """The policy that these fields declare; Invalid when they make no sense together."""
    try:
        return ReviewPolicy.from_fields(fields.model_dump())
    except ValueError as error:
        raise Invalid(str(error), code="bad_policy", details={"pointer": "/policy"}) from error


def declare(session: WriteSession, me: Principal, model: Model, wish: PolicyCreate) -> PolicyOut:
    """Put a policy in force from now on."""
    model = models.lock_model(session, model.id)
    policy = make_policy(wish.policy)
    missing = [one for one in policy.resolution_channels if channels.get_channel(session, one) is None]
    if missing:
        raise Invalid("there is no such channel", code="unknown_channel", details={"channels": missing})
    before = review_policies.newest(session, model.id)
    number = before.number if before is not None else 0
    if wish.based_on is not None and wish.based_on != number:
        raise Conflict("the policy was changed meanwhile: look at the new one first", code="policy_changed")
    if before is not None and before.policy_id == policy.id:
        raise Conflict("this policy is in force already", code="policy_same")
    row = review_policies.add_policy(
        session, model.id, policy, reason=wish.reason, created_by=me.actor, created_at=utc_now()
    )
    details = {"number": row.number, "policy_id": policy.id}
    audit.record(session, me.actor, "review_policy.declared", f"model:{model.name}", details, wish.reason)
    return _read(row, row.number, {me.id: me.name})


def history(session: Session, model: Model, limit: int) -> list[PolicyOut]:
    """Declared policies, newest first; a model without any has what holds by default."""
    rows = review_policies.list_policies(session, model.id, limit=limit)
    if not rows:
        policy = ReviewPolicy.declared(model.settings)
        return [
            PolicyOut(
                number=0,
                policy_id=policy.id,
                policy=policy.as_fields(),
                reason=None,
                created_by=None,
                author=None,
                created_at=None,
                is_current=True,
            )
        ]
    names = users.names_of(session, [row.created_by.removeprefix("user:") for row in rows])
    return [_read(row, rows[0].number, names) for row in rows]


def _read(row: ReviewPolicyVersion, newest: int, names: Mapping[str, str]) -> PolicyOut:
    return PolicyOut(
        number=row.number,
        policy_id=row.policy_id,
        policy=ReviewPolicy.from_fields(row.fields).as_fields(),
        reason=row.reason,
        created_by=row.created_by,
        author=names.get(row.created_by.removeprefix("user:")),
        created_at=row.created_at,
        is_current=row.number == newest,
    )

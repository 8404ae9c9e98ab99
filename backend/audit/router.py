"""The audit trail over HTTP, for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import AwareDatetime

from backend.audit.schemas import AuditCheck, AuditLine
from backend.deps import Reader, guarded_router
from db.repositories import audit, users

router = guarded_router("/v1/audit", "audit:read")
Name = Annotated[str | None, Query(max_length=300)]


@router.get("")
def list_audit(
    session: Reader,
    action: Name = None,
    actor: Name = None,
    start: AwareDatetime | None = None,
    end: AwareDatetime | None = None,
    before_id: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[AuditLine]:
    """Lines, newest first. `action` is one action ("login.refused") or a family ("rollout.")."""
    rows = audit.list_entries(
        session, action=action, actor=actor, start=start, end=end, before_id=before_id, limit=limit
    )
    names = users.names_of(session, {row.actor.removeprefix("user:") for row in rows})
    lines = [AuditLine.model_validate(row) for row in rows]
    return [line.model_copy(update={"actor_name": names.get(line.actor.removeprefix("user:"))}) for line in lines]


@router.get("/verify")
def verify_audit(session: Reader) -> AuditCheck:
    """Walk the whole chain and say whether a line was changed, put in or taken out."""
    n_lines, first_bad_id = audit.verify_chain(session)
    return AuditCheck(is_intact=first_bad_id is None, n_lines=n_lines, first_bad_id=first_bad_id)

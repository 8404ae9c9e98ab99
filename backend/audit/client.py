"""The calling side of the audit trail."""

from __future__ import annotations

from backend.audit.schemas import AuditCheck, AuditLine
from backend.transport import Transport


class AuditClient:
    """`client.audit`: who did what, for admins."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        action: str | None = None,
        actor: str | None = None,
        before_id: int | None = None,
        limit: int = 100,
    ) -> list[AuditLine]:
        """Lines, newest first."""
        filters = {"action": action, "actor": actor, "before_id": before_id}
        return self._transport.get_list("/v1/audit", AuditLine, limit=limit, **filters)

    def verify(self) -> AuditCheck:
        return self._transport.get("/v1/audit/verify", AuditCheck)

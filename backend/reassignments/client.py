"""The calling side of reassignments."""

from __future__ import annotations

from backend.reassignments.schemas import ReassignmentOut
from backend.transport import Transport


class ReassignmentsClient:
    """`client.reassignments`: for data scientists and admins."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, model: str, *, limit: int = 20) -> list[ReassignmentOut]:
        """Reassignments, newest first."""
        return self._transport.get_list("/v1/reassignments", ReassignmentOut, model=model, limit=limit)

    def reverse(self, reassignment_id: str) -> ReassignmentOut:
        """Take one back."""
        return self._transport.send("POST", f"/v1/reassignments/{reassignment_id}/reverse", ReassignmentOut)

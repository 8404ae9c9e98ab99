"""The calling side of the outbox."""

from __future__ import annotations

from backend.outbox.schemas import MessageOut, MessagePage
from backend.transport import Transport


class OutboxClient:
    """`client.outbox`: for admins."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        state: str | None = None,
        channel_id: str | None = None,
        before_id: str | None = None,
        limit: int = 100,
    ) -> MessagePage:
        """Messages, newest first."""
        return self._transport.get(
            "/v1/outbox", MessagePage, state=state, channel_id=channel_id, before_id=before_id, limit=limit
        )

    def send_again(self, message_id: str) -> MessageOut:
        """Try a message now that waits or was given up."""
        return self._transport.send("POST", f"/v1/outbox/{message_id}/send-again", MessageOut)

"""The calling side of channels."""

from __future__ import annotations

from typing import Any

from backend.channels.schemas import ChannelCreate, ChannelMade, ChannelOut, ChannelPatch, TestSent
from backend.transport import Transport


class ChannelsClient:
    """`client.channels`: for admins."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> list[ChannelOut]:
        return self._transport.get_list("/v1/channels", ChannelOut)

    def create(self, wish: ChannelCreate | None = None, **fields: Any) -> ChannelMade:
        """A channel: `create(name="ops", kind="apprise", url="mailtos://...")`; a webhook's secret is shown once."""
        return self._transport.send("POST", "/v1/channels", ChannelMade, wish or ChannelCreate(**fields))

    def change(self, channel_id: str, **fields: Any) -> ChannelOut:
        """Change what is given: name, url, language, min_severity, models, is_enabled."""
        return self._transport.send("PATCH", f"/v1/channels/{channel_id}", ChannelOut, ChannelPatch(**fields))

    def delete(self, channel_id: str) -> None:
        self._transport.request("DELETE", f"/v1/channels/{channel_id}")

    def test(self, channel_id: str) -> TestSent:
        """Send a test message; the outbox says what became of it."""
        return self._transport.send("POST", f"/v1/channels/{channel_id}/test", TestSent)

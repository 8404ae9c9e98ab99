"""Channels of alert messages over HTTP, for admins."""

from __future__ import annotations

from backend.channels import service
from backend.channels.schemas import ChannelCreate, ChannelMade, ChannelOut, ChannelPatch, TestSent
from backend.deps import Me, Reader, Soi, Writer, guarded_router
from db.repositories import channels

router = guarded_router("/v1/channels", "channels:manage")


@router.get("")
def get_channels(session: Reader) -> list[ChannelOut]:
    """Channels by name, without their secrets."""
    return [ChannelOut.model_validate(row) for row in channels.list_channels(session)]


@router.post("", status_code=201)
def post_channel(body: ChannelCreate, soi: Soi, me: Me) -> ChannelMade:
    """A new channel; a webhook's signing secret is in this answer and nowhere else."""
    shown = service.mask(body.kind, body.url, soi.settings)
    with soi.database.write() as session:
        return service.create_channel(session, me, body, soi.settings, shown)


@router.patch("/{channel_id}")
def patch_channel(channel_id: str, body: ChannelPatch, soi: Soi, me: Me) -> ChannelOut:
    """Change a channel, switch it off, or give it a new address."""
    with soi.database.read() as reading:
        kind = service.require_channel(reading, channel_id).kind
    shown = service.mask(kind, body.url, soi.settings) if body.url is not None else None
    with soi.database.write() as session:
        return service.change_channel(session, me, channel_id, body, soi.settings, shown)


@router.delete("/{channel_id}", status_code=204)
def delete_channel(channel_id: str, session: Writer, me: Me) -> None:
    """Remove a channel with what waits for it."""
    service.delete_channel(session, me, channel_id)


@router.post("/{channel_id}/test", status_code=202)
def post_test(channel_id: str, session: Writer, soi: Soi, me: Me) -> TestSent:
    """Send a test message through a channel."""
    return service.send_test(session, me, channel_id, soi.settings)

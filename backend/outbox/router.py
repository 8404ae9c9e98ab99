"""The outbox over HTTP, for admins: what waits, what was sent, what was given up, and sending again."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import Query

from backend.deps import Me, Reader, Soi, Writer, guarded_router
from backend.errors import Conflict, NotFound
from backend.outbox.schemas import MessageOut, MessagePage
from db.base import utc_now
from db.models.alert import OutboxMessage
from db.repositories import audit, channels, outbox

router = guarded_router("/v1/outbox", "channels:manage")


@router.get("")
def get_messages(
    session: Reader,
    state: Literal["waiting", "sent", "given_up"] | None = None,
    channel_id: Annotated[str | None, Query(max_length=36)] = None,
    before_id: Annotated[str | None, Query(max_length=36)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> MessagePage:
    """Messages, newest first, with their last error."""
    rows = outbox.list_messages(session, state=state, channel_id=channel_id, before_id=before_id, limit=limit)
    names = {row.id: row.name for row in channels.list_channels(session)}
    return MessagePage(items=[show_message(row, names) for row in rows], counts=outbox.count_messages(session))


@router.post("/{message_id}/send-again")
def post_again(message_id: str, session: Writer, soi: Soi, me: Me) -> MessageOut:
    """Try a message now that waits or was given up."""
    row = outbox.get_message(session, message_id)
    if row is None:
        raise NotFound("there is no such message")
    now = utc_now()
    if not outbox.send_again(session, message_id, now, now + timedelta(hours=soi.settings.outbox_give_up_hours)):
        raise Conflict("the message was sent already, or is being sent", code="message_sent")
    session.refresh(row)
    audit.record(session, me.actor, "message.sent_again", f"message:{message_id}")
    return show_message(row, {one.id: one.name for one in channels.list_channels(session)})


def show_message(row: OutboxMessage, names: dict[str, str]) -> MessageOut:
    """A message without its payload: that may name a person's secrets."""
    fields = {name: getattr(row, name) for name in MessageOut.model_fields if hasattr(row, name)}
    return MessageOut(
        **fields,
        channel=names.get(row.channel_id) if row.channel_id else None,
        model=row.model_name,
        event=row.payload.get("event") if row.kind == "alert" else None,
    )

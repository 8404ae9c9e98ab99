"""Making, changing and trying channels. Their addresses are encrypted before they reach the database."""

from __future__ import annotations

import secrets
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.channels.apprise_process import check_apprise
from backend.channels.schemas import ChannelCreate, ChannelMade, ChannelOut, ChannelPatch, TestSent
from backend.channels.vault import Vault, VaultClosed
from backend.channels.webhook import NotSent, check_url
from backend.errors import Conflict, Invalid, NotFound, Unavailable
from backend.settings import Settings
from db.base import new_id, utc_now
from db.engine import WriteSession
from db.models.alert import Channel
from db.repositories import audit, channels, models, outbox


def create_channel(
    session: WriteSession, me: Principal, wish: ChannelCreate, settings: Settings, shown: str
) -> ChannelMade:
    """A new channel; `shown` is its checked address (see `mask`)."""
    if channels.find_channel(session, wish.name) is not None:
        raise Conflict("there is a channel of this name already", code="name_taken")
    _check_models(session, wish.models)
    secret = secrets.token_urlsafe(32) if wish.kind == "webhook" else None
    row = Channel(
        **wish.model_dump(exclude={"url"}),
        target=_seal(settings, wish.kind, wish.url, secret),
        shown=shown,
        created_by=me.actor,
    )
    channels.add_channel(session, row)
    audit.record(session, me.actor, "channel.created", f"channel:{row.id}", {"name": row.name, "shown": shown})
    return ChannelMade(**ChannelOut.model_validate(row).model_dump(), secret=secret)


def change_channel(
    session: WriteSession, me: Principal, channel_id: str, patch: ChannelPatch, settings: Settings, shown: str | None
) -> ChannelOut:
    """Apply a patch; a webhook keeps its signing secret when its address changes."""
    row = require_channel(session, channel_id)
    changes = patch.model_dump(exclude_unset=True, exclude={"url"})
    changes = {name: value for name, value in changes.items() if value is not None or name == "models"}
    other = channels.find_channel(session, str(changes.get("name", row.name)))
    if other is not None and other.id != row.id:
        raise Conflict("there is a channel of this name already", code="name_taken")
    _check_models(session, changes.get("models"))
    for name, value in changes.items():
        setattr(row, name, value)
    if patch.url is not None and shown is not None:
        row.target, row.shown = _seal(settings, row.kind, patch.url, _secret_of(settings, row)), shown
    session.flush()
    fields = sorted([*changes, *(["url"] if patch.url is not None else [])])
    audit.record(session, me.actor, "channel.changed", f"channel:{row.id}", {"fields": fields})
    return ChannelOut.model_validate(row)


def delete_channel(session: WriteSession, me: Principal, channel_id: str) -> None:
    """The channel and what waits for it are gone."""
    row = require_channel(session, channel_id)
    name = row.name
    session.delete(row)
    session.flush()
    audit.record(session, me.actor, "channel.deleted", f"channel:{channel_id}", {"name": name})


def send_test(session: WriteSession, me: Principal, channel_id: str, settings: Settings) -> TestSent:
    """Put a test message into the outbox; a worker sends it within seconds, and the outbox says what became of it."""
    row = require_channel(session, channel_id)
    now, message_id = utc_now(), new_id()
    outbox.add_messages(
        session,
        [
            {
                "id": message_id,
                "dedupe_key": f"test:{message_id}",
                "kind": "test",
                "channel_id": row.id,
                "payload": {"channel": row.name},
                "next_at": now,
                "give_up_at": now + timedelta(minutes=5),
            }
        ],
    )
    audit.record(session, me.actor, "channel.tested", f"channel:{row.id}", {"name": row.name})
    return TestSent(message_id=message_id)


def require_channel(session: Session, channel_id: str) -> Channel:
    row = channels.get_channel(session, channel_id)
    if row is None:
        raise NotFound("there is no such channel")
    return row


def mask(kind: str, url: str, settings: Settings) -> str:
    """The address as people may see it; Invalid when it is none. Asks Apprise: call it outside a transaction."""
    try:
        if kind == "webhook":
            check_url(url)
            parts = urlsplit(url)
            return f"{parts.scheme}://{parts.netloc}/…"[:300]
        only = settings.outgoing_only_allowed
        return check_apprise(url, allowed=settings.outgoing_allowed, only_allowed=only)[:300]
    except ValueError as error:
        raise Invalid(str(error), code="bad_address") from error
    except NotSent as error:
        raise Unavailable(f"the address could not be checked: {error}", retry_after_s=5) from error


def _seal(settings: Settings, kind: str, url: str, secret: str | None) -> str:
    return _vault(settings, {"kind": kind, "url": url, "secret": secret})


def _vault(settings: Settings, target: dict[str, str | None]) -> str:
    try:
        return Vault(settings.data_dir).seal(target)
    except VaultClosed as error:
        raise Unavailable(str(error)) from error


def _secret_of(settings: Settings, row: Channel) -> str | None:
    if row.kind != "webhook":
        return None
    try:
        secret: str | None = Vault(settings.data_dir).open(row.target).get("secret")
    except VaultClosed as error:
        raise Unavailable(str(error)) from error
    return secret


def _check_models(session: Session, names: list[str] | None) -> None:
    missing = models.missing_names(session, names or [])
    if missing:
        raise Invalid("there is no such model", code="model_unknown", details={"models": missing})

"""Sends what waits in the outbox. Called by a thread of the worker.

A message is leased, sent without any transaction open, and settled. A worker that dies in between leaves the lease to
run out, and the message goes out again with the same id, by which a webhook's receiver can tell.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from backend.channels.addresses import AddressRefused, Allowed
from backend.channels.apprise_process import START_S, send_apprise
from backend.channels.vault import Vault, VaultClosed
from backend.channels.webhook import Hook, NotSent, send_webhook
from backend.outbox.rendering import write_json, write_text
from backend.outbox.rules import after_failure
from backend.settings import Settings
from db.base import utc_now
from db.engine import Database
from db.repositories import channels, outbox

log = structlog.get_logger("soi.outbox")

#: Messages leased at once. They are sent one after the other, so the lease covers the slowest case of all of them.
BATCH = 4
_SLACK_S = 30.0


@dataclass(frozen=True, slots=True)
class _Addressed:
    """A leased message with where it goes."""

    row: Any
    target: str | None
    language: str
    is_off: bool


class Sender:
    """The sending end of the outbox. `on_attempt` hears what became of each attempt: sent, failed or given_up."""

    def __init__(
        self, database: Database, settings: Settings, *, on_attempt: Callable[[str], None] = lambda outcome: None
    ) -> None:
        self.database, self.settings, self.on_attempt = database, settings, on_attempt
        self.vault = Vault(settings.data_dir)
        self.allowed = Allowed.parse(settings.outgoing_allowed, is_all=settings.outgoing_only_allowed)

    def run(self, now: datetime | None = None) -> int:
        """Send one batch of what is due; how many were tried. Call again while it is not 0."""
        now, token = now or utc_now(), str(uuid.uuid4())
        lease = timedelta(seconds=BATCH * (self.settings.outgoing_timeout_s + START_S) + _SLACK_S)
        with self.database.read() as session:
            if outbox.next_due(session, now) is None:
                return 0
        with self.database.write() as session:
            rows = outbox.claim_messages(session, n=BATCH, token=token, now=now, until=now + lease)
            known = {row.channel_id: channels.get_channel(session, row.channel_id) for row in rows if row.channel_id}
        for row in rows:
            channel = known.get(row.channel_id) if row.channel_id else None
            target = channel.target if channel is not None else row.target
            language = channel.language if channel is not None else self.settings.language
            self._one(_Addressed(row, target, language, channel is not None and not channel.is_enabled), token)
        return len(rows)

    def _one(self, message: _Addressed, token: str) -> None:
        row = message.row
        error = self._try(message)
        if error is None:
            outcome, values = "sent", {"state": "sent", "sent_at": utc_now(), "last_error": None}
        else:
            state, next_at = after_failure(row.n_attempts + 1, utc_now(), row.give_up_at, random.random())
            outcome = "failed" if state == "waiting" else state
            values = {"state": state, "next_at": next_at, "last_error": error[:1000]}
            log.warning("message not sent", message=row.id, kind=row.kind, attempt=row.n_attempts + 1, error=error)
        with self.database.write() as session:
            outbox.settle_message(session, row.id, token, n_attempts=row.n_attempts + 1, **values)
        self.on_attempt(outcome)

    def _try(self, message: _Addressed) -> str | None:
        """None when it arrived, else why not."""
        if message.is_off:
            return "the channel is switched off"
        try:
            if message.target is None:
                return "the message has no receiver"
            self._send(message, self.vault.open(message.target))
        except (NotSent, AddressRefused, VaultClosed) as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - one message's fault must not stop the others
            return f"{type(error).__name__}: {error}"[:300]
        return None

    def _send(self, message: _Addressed, target: dict[str, Any]) -> None:
        row, settings = message.row, self.settings
        if target["kind"] == "webhook":
            body = write_json(row, message.language, settings.public_url)
            hook = Hook(target["url"], target["secret"])
            send_webhook(hook, row.id, body, self.allowed, settings.outgoing_timeout_s)
            return
        text = write_text(row.kind, row.payload, message.language, settings.public_url)
        send_apprise(
            target["url"],
            text.title,
            text.body,
            allowed=settings.outgoing_allowed,
            only_allowed=settings.outgoing_only_allowed,
            timeout_s=settings.outgoing_timeout_s,
        )

"""Shapes of channels. An address and a signing secret go in and never come out again, but for the secret once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from backend.shapes import Input, Output, Slug, Title

Severity = Literal["low", "medium", "high"]
Models = Annotated[list[Slug], Field(min_length=1, max_length=1000)] | None
Address = Annotated[str, StringConstraints(strip_whitespace=True, min_length=5, max_length=2000)]


class ChannelCreate(Input):
    """A channel: an Apprise address (`mailtos://`, `slack://`, ...) or the https address of a webhook.

    Alerts of at least `min_severity` of these `models` (null: all) are sent in `language`.
    """

    name: Title
    kind: Literal["apprise", "webhook"]
    url: Address
    language: Literal["en", "vi"] = "en"
    min_severity: Severity = "low"
    models: Models = None


class ChannelPatch(Input):
    """What may change; a new `url` is stored encrypted in place of the old one."""

    name: Title | None = None
    url: Address | None = None
    language: Literal["en", "vi"] | None = None
    min_severity: Severity | None = None
    models: Models = None
    is_enabled: bool | None = None


class ChannelOut(Output):
    """A channel without its secrets; `shown` is its address with everything private masked."""

    id: str
    name: str
    kind: Literal["apprise", "webhook"]
    shown: str
    language: Literal["en", "vi"]
    min_severity: Severity
    models: list[str] | None
    is_enabled: bool
    created_by: str
    created_at: datetime


class ChannelMade(ChannelOut):
    """A new channel; a webhook's signing `secret` is shown this once."""

    secret: str | None = None


class TestSent(Output):
    """The id of the test message in the outbox, where its fate can be read."""

    __test__ = False

    message_id: str

"""From a message's payload to what leaves: a title and a text in the channel's language, or JSON for a webhook.

A kind of message that people read registers its text here; a kind without one is for machines, and its payload leaves
as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from backend.alerts.messages import alert_text, trial_text
from backend.automation.messages import automation_text
from backend.reports.messages import report_text
from backend.resolutions.messages import reassigned_text, resolution_text

#: (payload, address of the screens) -> title, text, link; called with the catalogue set to the reader's language.
Writer = Callable[[Mapping[str, Any], str], tuple[str, str, str | None]]


@dataclass(frozen=True, slots=True)
class Text:
    """What a person reads."""

    title: str
    body: str
    link: str | None = None


WRITERS: dict[str, Writer] = {
    "alert": alert_text,
    "automation": automation_text,
    "test": trial_text,
    "resolution": resolution_text,
    "reassigned": reassigned_text,
    "report": report_text,
}


def write_text(kind: str, payload: Mapping[str, Any], language: str, public_url: str) -> Text:
    """The message for people, in English or Vietnamese."""
    from dashboard.kit.text import reading_as

    writer = WRITERS.get(kind)
    if writer is None:
        body = orjson.dumps(payload, option=orjson.OPT_INDENT_2).decode()
        return Text(str(payload.get("title") or kind), str(payload.get("text") or body), payload.get("link"))
    with reading_as(language):
        return Text(*writer(payload, public_url))


def write_json(row: Any, language: str, public_url: str) -> bytes:
    """The body of a webhook: the same bytes at every attempt, so that a receiver can compare."""
    document: dict[str, Any] = {
        "id": row.id,
        "kind": row.kind,
        "created_at": row.created_at.isoformat(),
        "model": row.model_name,
        "data": row.payload,
    }
    if row.kind in WRITERS:
        text = write_text(row.kind, row.payload, language, public_url)
        document |= {"title": text.title, "text": text.body, "link": text.link}
    return orjson.dumps(document)

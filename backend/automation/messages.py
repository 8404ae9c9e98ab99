"""What people are told when a ladder moves: rows of the outbox, and their text in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

from backend.alerts.rule import SEVERITIES
from backend.automation.service import Evaluated

Event = Literal["step_back", "promote", "threshold"]
#: How grave each event is, for channels that want to hear only of grave ones.
SEVERITY: dict[Event, str] = {"step_back": "high", "promote": "medium", "threshold": "low"}


def messages(
    event: Event, found: Evaluated, rollout_id: int, channels: Sequence[Any], now: datetime, give_up_at: datetime
) -> list[dict[str, Any]]:
    """One row for every channel that wants to hear of it."""
    payload = {
        "event": event,
        "at": now.isoformat(),
        "model": found.model.name,
        "segment": found.segment,
        "version": found.standing.version,
        "policy_id": found.policy_id,
        "rollout_id": rollout_id,
        "severity": SEVERITY[event],
        "verdict": found.verdict,
    }
    rank = SEVERITIES.index(SEVERITY[event])
    return [
        {
            "dedupe_key": f"automation:{rollout_id}:{channel.id}",
            "kind": "automation",
            "channel_id": channel.id,
            "model_name": found.model.name,
            "payload": payload,
            "next_at": now,
            "give_up_at": give_up_at,
        }
        for channel in channels
        if rank >= SEVERITIES.index(channel.min_severity)
        and (channel.models is None or found.model.name in channel.models)
    ]


def automation_text(payload: Mapping[str, Any], public_url: str) -> tuple[str, str, str]:
    """Title, text and link of a move."""
    from dashboard.kit import automation_words as words
    from dashboard.kit import values
    from dashboard.kit.text import t

    verdict = payload["verdict"]
    link = f"{public_url}/automation?" + urlencode({"model": payload["model"], "ladder": payload["segment"]})
    to = words.level_name(verdict["to"])
    title = t(f"automation.message.{payload['event']}", model=payload["model"], to=to)
    lines = []
    if payload["event"] != "threshold":
        lines += [t("automation.message.from_to", level=words.level_name(verdict["level"]), to=to), words.why(verdict)]
    if payload["event"] == "threshold" or verdict["to"] == "partial":
        lines.append(_threshold(verdict["acceptance"]))
    if payload["segment"]:
        lines.append(t("automation.message.segment", segment=payload["segment"]))
    lines.append(t("automation.message.version", version=payload["version"] or values.NOTHING))
    return title, "\n".join([*lines, link]), link


def _threshold(acceptance: Mapping[str, Any] | None) -> str:
    from dashboard.kit import values
    from dashboard.kit.text import t

    if acceptance is None or acceptance.get("threshold") is None:
        return t("automation.no_threshold")
    shown = values.number(acceptance["threshold"], 2)
    return t("automation.message.threshold_now", threshold=shown, share=values.percent(acceptance["share"]))


def rollout_reason(found: Evaluated, language: str) -> str:
    """Why a policy made a rollout, for the history that people read."""
    from dashboard.kit.automation_words import why
    from dashboard.kit.text import reading_as, t

    with reading_as(language):
        return t("automation.rollout_reason", id=str(found.policy_id), why=why(found.verdict))

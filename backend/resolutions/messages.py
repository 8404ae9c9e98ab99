"""What a channel is told of a resolved item, and of items that were given to other people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def resolution_text(payload: Mapping[str, Any], public_url: str) -> tuple[str, str, str]:
    """Title, text and link of a resolved item, for people; a webhook gets the payload beside it."""
    from dashboard.kit.text import t

    link = f"{public_url}/disagreements?model={payload['model']}"
    key = "policy.message.withdrawn" if payload["label"] is None else "policy.message.resolved"
    words = {"model": payload["model"], "subject": payload["subject_id"], "label": payload["label"] or ""}
    return t(f"{key}_title", **words), t(key, **words) + "\n" + link, link


def reassigned_text(payload: Mapping[str, Any], public_url: str) -> tuple[str, str, str]:
    """Title, text and link of items that others look at again."""
    from dashboard.kit.text import t
    from dashboard.kit.values import percent

    link = f"{public_url}/review-policy?model={payload['model']}"
    words = {
        "model": payload["model"],
        "person": payload["person"],
        "n": payload["n_items"],
        "agreed": payload["n_agreed"],
        "checks": payload["n_checks"],
        "limit": percent(payload["min_agreement"], 0),
    }
    return t("policy.message.reassigned_title", **words), t("policy.message.reassigned", **words) + "\n" + link, link

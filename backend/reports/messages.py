"""What a channel is told of a finished report."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode


def report_text(payload: Mapping[str, Any], public_url: str) -> tuple[str, str, str]:
    """Title, text and link of a report, for people; a webhook gets the payload beside it."""
    from dashboard.kit.text import t
    from dashboard.kit.values import date

    link = f"{public_url}/reports?{urlencode({'model': payload['model']})}"
    words = {
        "model": payload["model"],
        "verdict": t(f"overview.state.{payload['verdict']}"),
        "start": date(datetime.fromisoformat(payload["window_start"])),
        "end": date(datetime.fromisoformat(payload["window_end"])),
    }
    return t("reports.message_title", **words), t("reports.message", **words) + "\n" + link, link

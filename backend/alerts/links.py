"""Where a firing alert leads: the Health screen with its model, window, version and segment, and the rows behind it.
Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from backend.alerts.rule import EVALUATION

_RANGES = (("24h", 1), ("7d", 7), ("30d", 30))


def rows_link(
    rule: Mapping[str, Any],
    model: str,
    series: str,
    window: tuple[datetime, datetime],
    group: str,
    now: datetime,
) -> str:
    """The address of the rows in the window of an incident's worst value.

    `rule` are the facts kept with the incident; `group` is the group of its measure on the Health screen.
    """
    measure = str(rule.get("measure") or "")
    params: dict[str, str] = {"model": model, "range": _range(now - window[0]), "group": group}
    params["sel"] = f"{window[0]:%Y%m%dT%H%M%SZ}~{window[1]:%Y%m%dT%H%M%SZ}~{measure}"
    version, segment = scope_of(rule, series)
    if version:
        params["version"] = version
    if segment:
        params["segment"] = f"{segment[0]}={segment[1]}"
    return "/health?" + urlencode(params)


def scope_of(rule: Mapping[str, Any], series: str) -> tuple[str | None, tuple[str, str] | None]:
    """The version and the segment that a series of a rule is about."""
    version, segment = rule.get("version"), None
    if rule.get("segment_key"):
        segment = (str(rule["segment_key"]), str(rule.get("segment_value") or ""))
    each = str(rule.get("each") or "")
    if series != EVALUATION and series:
        if each == "version":
            version = series
        elif each.startswith("segment:"):
            segment = (each.removeprefix("segment:"), series)
    return version, segment


def _range(age: timedelta) -> str:
    return next((name for name, days in _RANGES if age <= timedelta(days=days)), "90d")

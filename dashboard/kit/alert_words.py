"""Alert rules and incidents in words: what a rule is called, when it fires, what a series is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dashboard.kit import values
from dashboard.kit.feature_name import feature_name
from dashboard.kit.text import t, t_or


def rule_name(name: str, title_key: str | None) -> str:
    """The rule as the reader calls it."""
    return t_or(title_key, name) if title_key else name


def measure_name(measure: str) -> str:
    """The measure as the reader calls it; a drift rule has none, its value is the PSI of a feature."""
    if measure == "drift":
        return t("alerts.editor.drift")
    return t_or(f"measures.{measure}.title", measure)


def fires_when(condition: Mapping[str, Any], unit: str) -> str:
    """A condition in words, such as: above 10.0% (warns from 2.0%)."""
    kind = condition.get("kind")
    if kind == "drift":
        return t("alerts.says.drift")
    alert, warning = condition.get("alert"), condition.get("warning")
    said = _one(condition, alert if alert is not None else warning, unit)
    if alert is None:
        return t("alerts.says.only_warning", warning=said)
    if warning is None:
        return said
    return t("alerts.says.both", alert=said, warning=_amount(condition, warning, unit))


def _one(condition: Mapping[str, Any], limit: float | None, unit: str) -> str:
    direction = condition.get("direction") or "above"
    shown = _amount(condition, limit, unit)
    if condition.get("kind") == "burn_rate":
        return t("alerts.says.burn_rate", limit=shown, objective=values.percent(condition.get("objective"), 2))
    if condition.get("kind") == "change":
        against = t(f"alerts.says.{condition.get('against') or 'previous'}")
        return t(f"alerts.says.{direction}", amount=shown, against=against)
    return t(f"alerts.says.threshold.{direction}", limit=shown)


def _amount(condition: Mapping[str, Any], limit: float | None, unit: str) -> str:
    if condition.get("kind") == "burn_rate":
        return values.number(limit)
    if condition.get("kind") == "change" and (condition.get("mode") or "relative") == "relative":
        return values.percent(limit, 0)
    return values.by_unit(limit, unit)


def series_name(series: str, series_of: str = "") -> str:
    """What a series is about; the only one of a rule needs no name."""
    if not series or series.startswith("!"):
        return ""
    if series_of in ("", "feature"):
        return feature_name(series)
    key = series_of.removeprefix("segment:") if series_of.startswith("segment:") else ""
    return f"{key}={series}" if key else series


def note(reason: str | None) -> str:
    """Why a series has no state, in words where there are any."""
    return t_or(f"alerts.note.{reason}", reason) if reason else ""


def plain(text: str) -> str:
    """Names are data: take the marks of markdown, and the colon that begins an icon or a colour, out of them."""
    return re.sub(r":(?=\w)|[\\*_\[\]`#<>$~]", lambda found: "\\" + found[0], text)

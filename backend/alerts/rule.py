"""A rule as the evaluation sees it, and how often each width of window is looked at. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from backend.alerts.conditions import Condition
from backend.alerts.rules import Policy

#: Widths of windows that a rule may have, in seconds, and how often each is looked at unless the rule says otherwise.
#: Roll-ups are kept in five minutes, hours and days: every width is a sum of one of them.
EVERY_S: dict[int, int] = {
    300: 300,
    900: 300,
    1_800: 300,
    3_600: 300,
    10_800: 900,
    21_600: 900,
    43_200: 3_600,
    86_400: 3_600,
    259_200: 21_600,
    604_800: 21_600,
    2_419_200: 86_400,
}
#: The series that carries failures of the evaluation itself.
EVALUATION = "!evaluation"
#: What a drift rule has in place of a measure: its value is the PSI of a feature.
DRIFT = "drift"
SEVERITIES = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class WatchedRule:
    """One rule. `model_id` None: every model; `each`: "", "version" or "segment:<key>"."""

    id: str
    name: str
    model_id: str | None
    measure: str
    window_s: int
    every_s: int
    condition: Condition
    policy: Policy = field(default_factory=Policy)
    version: str | None = None
    segment: tuple[str, str] | None = None
    each: str = ""
    offset_s: int = 60
    min_n: int = 50
    severity: str = "medium"
    channel_ids: Sequence[str] | None = None
    evaluated_at: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def covers(self, model: Any) -> bool:
        """Whether the rule watches this model; one per value of a segment key only models that have the key."""
        if self.model_id is not None:
            return bool(self.model_id == model.id)
        key = self.segment[0] if self.segment else self.each.partition(":")[2]
        return not key or key in (model.segment_keys or ())


def watched(row: Any) -> WatchedRule:
    """From a row of `alert_rules`, or from anything with the same fields."""
    return WatchedRule(
        id=row.id,
        name=row.name,
        model_id=row.model_id,
        measure=row.measure,
        window_s=row.window_s,
        every_s=row.every_s,
        condition=Condition.declared(row.condition),
        policy=Policy(row.hold_s, row.clear_s, row.renotify_s, row.no_data),
        version=row.version,
        segment=(row.segment_key, row.segment_value or "") if row.segment_key else None,
        each=row.each or "",
        offset_s=row.offset_s,
        min_n=row.min_n,
        severity=row.severity,
        channel_ids=row.channel_ids,
        evaluated_at=row.evaluated_at,
        facts={
            "name": row.name,
            "measure": row.measure,
            "window_s": row.window_s,
            "condition": dict(row.condition),
            "severity": row.severity,
            "version": row.version,
            "segment_key": row.segment_key,
            "segment_value": row.segment_value,
            "each": row.each,
        },
    )


def title_key(name: str, template: str | None) -> str | None:
    """The text of a default rule's name, as long as nobody gave it one of their own."""
    return f"alerts.template.{template}" if template and name == template else None

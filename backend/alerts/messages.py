"""The texts of alert messages, from their numbers, in the language that the caller reads as."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from backend.alerts.rule import EVALUATION


def alert_text(payload: Mapping[str, Any], public_url: str) -> tuple[str, str, str]:
    """Title, text and link of what happened to an incident."""
    from dashboard.kit.text import t
    from dashboard.kit.values import exact, number

    rule, series = payload["rule"], payload["series"]
    name, measure = rule_name(rule), measure_name(str(rule["measure"]))
    link = f"{public_url}/alerts?incident={payload['incident_id']}"
    state = "closed" if payload["event"] == "closed" else payload["state"]
    title = t(f"alerts.message.title.{state}", model=payload["model"], rule=name)
    if payload["kind"] == "failure":
        lines = [t("alerts.message.failure", rule=name, reason=payload["reason"] or "")]
    else:
        lines = [
            t(f"alerts.message.event.{payload['event']}"),
            t(
                "alerts.message.value",
                measure=measure,
                value=shown(payload["peak"], str(rule["measure"])),
                n=number(payload["n"]),
            ),
            *limits(rule, payload),
        ]
        if series and series != EVALUATION:
            lines.append(t("alerts.message.series", series=series))
    lines.append(
        t(
            "alerts.message.window",
            start=exact(datetime.fromisoformat(payload["window_start"])),
            end=exact(datetime.fromisoformat(payload["window_end"])),
        )
    )
    return title, "\n".join([*lines, link]), link


def limits(rule: Mapping[str, Any], payload: Mapping[str, Any]) -> list[str]:
    """What the value was held against."""
    from dashboard.kit.text import t
    from dashboard.kit.values import number, percent

    condition, measure = rule["condition"], str(rule["measure"])
    kind, limit = condition["kind"], condition.get(payload["state"])
    if kind == "drift" or limit is None:
        return []
    if kind == "burn_rate":
        return [t("alerts.message.burn", factor=number(limit), objective=percent(condition.get("objective"), 2))]
    if kind == "threshold":
        return [t(f"alerts.message.limit.{condition.get('direction', 'above')}", limit=shown(limit, measure))]
    amount = percent(limit, 0) if condition.get("mode") == "relative" else shown(limit, measure)
    against = condition.get("against", "previous")
    return [t(f"alerts.message.against.{against}", reference=shown(payload["reference"], measure), amount=amount)]


def trial_text(payload: Mapping[str, Any], public_url: str) -> tuple[str, str, str]:
    """The message that an administrator sends to try a channel."""
    from dashboard.kit.text import t

    link = f"{public_url}/alerts?view=channels"
    return t("alerts.message.test_title"), t("alerts.message.test", channel=payload["channel"]) + "\n" + link, link


def rule_name(rule: Mapping[str, Any]) -> str:
    """The rule's name; a default rule that kept its name is called in the reader's language."""
    from dashboard.kit.text import t_or

    return t_or(f"alerts.template.{rule['name']}", str(rule["name"]))


def measure_name(measure: str) -> str:
    """The measure as the reader calls it."""
    from dashboard.kit.alert_words import measure_name as written

    return written(measure)


def shown(value: float | None, measure: str) -> str:
    """A value written by the unit of its measure."""
    from dashboard.kit.values import by_unit
    from db.analytics.catalog import BY_NAME

    found = BY_NAME.get(measure)
    return by_unit(value, found.unit if found is not None else "score")

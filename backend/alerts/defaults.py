"""The rules that a new model gets. Pure. Rates are compared by the end of their 95 % interval, so few events raise
nothing; latency and silence are compared with the same hour of past weeks, so nights and weekends raise nothing."""

from __future__ import annotations

from typing import Any

from backend.alerts.rule import EVERY_S

_HOUR, _QUARTER_DAY, _DAY, _WEEK = 3_600, 21_600, 86_400, 604_800


def default_rules() -> list[dict[str, Any]]:
    """Fields of `alert_rules` without the model; names are keys of the texts, so each reader sees their language.

    >>> [rule["template"] for rule in default_rules()][:2]
    ['error_rate', 'null_output_rate']
    """
    return [
        _rule("error_rate", "error_rate", _HOUR, _limits(0.02, 0.10), severity="high"),
        _rule("null_output_rate", "null_output_rate", _QUARTER_DAY, _limits(0.05, 0.20)),
        _rule("missing_rate", "missing_rate", _QUARTER_DAY, _limits(0.10, 0.40)),
        _rule("latency_p95", "latency_p95", 3 * _HOUR, _past(above=True, warning=0.5, alert=2.0), hold_s=900, min_n=50),
        _rule(
            "human_ai_agreement",
            "human_ai_agreement",
            _WEEK,
            {**_limits(0.90, 0.75), "direction": "below"},
        ),
        _rule("silence", "requests", _HOUR, _past(above=False, warning=None, alert=0.98), severity="high"),
    ]


def _limits(warning: float, alert: float) -> dict[str, Any]:
    return {"kind": "threshold", "direction": "above", "warning": warning, "alert": alert, "is_cautious": True}


def _past(*, above: bool, warning: float | None, alert: float) -> dict[str, Any]:
    return {
        "kind": "change",
        "against": "past_weeks",
        "weeks": 4,
        "mode": "relative",
        "direction": "above" if above else "below",
        "warning": warning,
        "alert": alert,
    }


def _rule(template: str, measure: str, window_s: int, condition: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": template,
        "template": template,
        "measure": measure,
        "window_s": window_s,
        "every_s": EVERY_S[window_s],
        "offset_s": 60,
        "condition": condition,
        "min_n": 20,
        "hold_s": 300,
        "clear_s": 600,
        "renotify_s": _DAY,
        "no_data": "no_data",
        "severity": "medium",
        "created_by": "system",
        **more,
    }

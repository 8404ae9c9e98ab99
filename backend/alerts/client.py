"""The calling side of alert rules, incidents and silences."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backend.alerts import schemas
from backend.transport import Transport


class AlertsClient:
    """`client.alerts`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def watchdog(self) -> schemas.WatchdogOut:
        """Whether the rules are looked at."""
        return self._transport.get("/v1/alerts/watchdog", schemas.WatchdogOut)

    def rules(self, model: str | None = None) -> list[schemas.RuleOut]:
        """Rules, those that fire first; with `model` its own and those of every model."""
        return self._transport.get_list("/v1/alerts/rules", schemas.RuleOut, model=model)

    def rule(self, rule_id: str) -> schemas.RuleOut:
        return self._transport.get(f"/v1/alerts/rules/{rule_id}", schemas.RuleOut)

    def create_rule(self, wish: schemas.RuleIn | None = None, **fields: Any) -> schemas.RuleOut:
        """A rule: `create_rule(name=..., model=..., measure="error_rate", condition={...})`."""
        return self._transport.send("POST", "/v1/alerts/rules", schemas.RuleOut, wish or schemas.RuleIn(**fields))

    def change_rule(self, rule_id: str, wish: schemas.RuleIn) -> schemas.RuleOut:
        """Replace a rule."""
        return self._transport.send("PUT", f"/v1/alerts/rules/{rule_id}", schemas.RuleOut, wish)

    def delete_rule(self, rule_id: str) -> None:
        """Remove a rule; its incidents stay."""
        self._transport.request("DELETE", f"/v1/alerts/rules/{rule_id}")

    def try_rule(self, rule: schemas.RuleIn, *, model: str | None = None, days: int = 90) -> schemas.TryOut:
        """What the rule would have raised in the last days."""
        body = schemas.RuleTry(rule=rule, model=model, days=days)
        return self._transport.send("POST", "/v1/alerts/rules/try", schemas.TryOut, body)

    def series(self, rule_id: str) -> list[schemas.SeriesStateOut]:
        """Where each series of a rule stands."""
        return self._transport.get_list(f"/v1/alerts/rules/{rule_id}/series", schemas.SeriesStateOut)

    def incidents(
        self,
        *,
        model: str | None = None,
        rule_id: str | None = None,
        is_open: bool | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> schemas.IncidentPage:
        """What fired, newest first; with `is_open=True` what fires now, worst first."""
        return self._transport.get(
            "/v1/alerts/incidents",
            schemas.IncidentPage,
            model=model,
            rule_id=rule_id,
            is_open=is_open,
            start=start.isoformat() if start else None,
            end=end.isoformat() if end else None,
            cursor=cursor,
            limit=limit,
        )

    def incident(self, incident_id: str) -> schemas.IncidentOut:
        return self._transport.get(f"/v1/alerts/incidents/{incident_id}", schemas.IncidentOut)

    def acknowledge(self, incident_id: str) -> schemas.IncidentOut:
        """Take care of it: no more reminders."""
        return self._transport.send("POST", f"/v1/alerts/incidents/{incident_id}/acknowledge", schemas.IncidentOut)

    def give_verdict(self, incident_id: str, verdict: str, comment: str = "") -> schemas.IncidentOut:
        """true, false or benign."""
        body = schemas.VerdictIn.model_validate({"verdict": verdict, "comment": comment})
        return self._transport.send("POST", f"/v1/alerts/incidents/{incident_id}/verdict", schemas.IncidentOut, body)

    def open_batch(self, incident_id: str, n: int = 60) -> schemas.IncidentOut:
        """Queue a stratified draw of the rows behind it for people."""
        path = f"/v1/alerts/incidents/{incident_id}/review-batch"
        return self._transport.send("POST", path, schemas.IncidentOut, schemas.BatchIn(n=n))

    def silences(self) -> list[schemas.SilenceOut]:
        """Silences that are not over."""
        return self._transport.get_list("/v1/alerts/silences", schemas.SilenceOut)

    def silence(self, wish: schemas.SilenceIn | None = None, **fields: Any) -> schemas.SilenceOut:
        """Tell nothing for a while: `silence(model="pcb", ends_at=..., reason="maintenance")`."""
        body = wish or schemas.SilenceIn(**fields)
        return self._transport.send("POST", "/v1/alerts/silences", schemas.SilenceOut, body)

    def end_silence(self, silence_id: str) -> None:
        self._transport.request("DELETE", f"/v1/alerts/silences/{silence_id}")

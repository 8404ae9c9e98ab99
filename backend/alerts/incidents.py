"""What fires and what fired: showing incidents with their links, acknowledging them, and people's verdict on them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from backend.alerts import schemas
from backend.alerts.links import rows_link
from backend.alerts.rule import title_key
from backend.alerts.rules import Silence, is_silenced
from backend.auth.rules import Principal
from backend.errors import Conflict, Invalid, NotFound
from backend.models.service import require_model
from db.analytics import catalog
from db.base import utc_now
from db.engine import WriteSession
from db.models.alert import AlertIncident, AlertRule
from db.repositories import alert_incidents, alert_rules, audit, models


def list_incidents(
    session: Session,
    me: Principal,
    *,
    model: str | None,
    rule_id: str | None,
    is_open: bool | None,
    start: datetime | None,
    end: datetime | None,
    cursor: str | None,
    limit: int,
) -> schemas.IncidentPage:
    """A page of incidents; the open ones alone come worst first and in one page."""
    names = _names(session, me, model)
    if is_open and cursor is None and rule_id is None and start is None and end is None:
        rows = [row for row in alert_incidents.open_incidents(session) if row.model_id in names][:limit]
        return schemas.IncidentPage(items=show_all(session, rows, names))
    rows = alert_incidents.list_incidents(
        session,
        is_open=is_open,
        rule_id=rule_id,
        model_ids=list(names),
        start=start,
        end=end,
        before=_parse(cursor),
        limit=limit + 1,
    )
    more = len(rows) > limit
    next_cursor = _cursor(rows[limit - 1]) if more else None
    return schemas.IncidentPage(items=show_all(session, rows[:limit], names), next_cursor=next_cursor)


def show_all(session: Session, rows: Sequence[AlertIncident], names: Mapping[str, str]) -> list[schemas.IncidentOut]:
    """Incidents as people see them."""
    now = utc_now()
    silences = [
        Silence(row.rule_id, row.model_id, row.starts_at, row.ends_at)
        for row in alert_rules.list_silences(session, after=now)
    ]
    rules = {row.rule_id: alert_rules.get_rule(session, row.rule_id) for row in rows}
    return [_show(row, names[row.model_id], rules[row.rule_id], silences, now) for row in rows]


def _show(
    row: AlertIncident, model: str, rule: AlertRule | None, silences: list[Silence], now: datetime
) -> schemas.IncidentOut:
    facts = row.rule
    measure = catalog.BY_NAME.get(str(facts.get("measure")))
    name = rule.name if rule is not None else str(facts.get("name"))
    template = rule.template if rule is not None else None
    shown = {
        field: getattr(row, field)
        for field in schemas.IncidentOut.model_fields
        if hasattr(row, field) and field not in {"batch", "rule"}
    }
    return schemas.IncidentOut(
        **shown,
        rule_name=name,
        title_key=title_key(name, template),
        model=model,
        series_of=_series_of(facts),
        severity=facts.get("severity", "medium"),
        measure=str(facts.get("measure")),
        unit=catalog.unit_of(str(facts.get("measure"))),
        condition=dict(facts.get("condition") or {}),
        batch=schemas.BatchOut.model_validate(row.batch) if row.batch else None,
        is_silenced=is_silenced(silences, row.rule_id, row.model_id, now),
        link=rows_link(
            facts,
            model,
            row.series,
            (row.window_start, row.window_end),
            measure.group if measure else "input",
            now,
        ),
    )


def _series_of(facts: Mapping[str, Any]) -> str:
    """What the series of a rule are: "", version, segment:<key>, feature, or what the measure brings."""
    if (facts.get("condition") or {}).get("kind") == "drift":
        return "feature"
    measure = catalog.BY_NAME.get(str(facts.get("measure")))
    return str(facts.get("each") or (measure.dimension if measure else "") or "")


def read_incident(session: Session, me: Principal, incident_id: str) -> schemas.IncidentOut:
    row, model = require_incident(session, me, incident_id)
    return show_all(session, [row], {row.model_id: model})[0]


def require_incident(
    session: Session, me: Principal, incident_id: str, *, to_write: bool = False
) -> tuple[AlertIncident, str]:
    """The incident and its model's name, if this principal may see it."""
    read = alert_incidents.lock_incident if to_write else alert_incidents.get_incident
    row = read(session, incident_id)
    model = models.get_model(session, row.model_id) if row is not None else None
    if row is None or model is None or not me.may_use_model(model.name):
        raise NotFound("there is no such incident")
    return row, model.name


def acknowledge(session: WriteSession, me: Principal, incident_id: str) -> schemas.IncidentOut:
    """Somebody takes care: no more reminders. Twice changes nothing."""
    row, model = require_incident(session, me, incident_id, to_write=True)
    if row.closed_at is not None:
        raise Conflict("this incident is over already", code="incident_over")
    if row.acknowledged_at is None:
        row.acknowledged_at, row.acknowledged_by = utc_now(), me.actor
        session.flush()
        audit.record(session, me.actor, "alert.acknowledged", f"incident:{row.id}", {"model": model})
    return show_all(session, [row], {row.model_id: model})[0]


def give_verdict(
    session: WriteSession, me: Principal, incident_id: str, wish: schemas.VerdictIn
) -> schemas.IncidentOut:
    """What people found of it; the newest verdict counts, and gives its rule its precision."""
    row, model = require_incident(session, me, incident_id, to_write=True)
    if row.kind == "failure":
        raise Invalid("a failed evaluation is neither true nor false: repair the rule")
    row.verdict, row.verdict_by, row.verdict_at = wish.verdict, me.actor, utc_now()
    row.verdict_comment = wish.comment or None
    session.flush()
    details = {"verdict": wish.verdict, "model": model}
    audit.record(session, me.actor, "alert.judged", f"incident:{row.id}", details, reason=wish.comment or None)
    return show_all(session, [row], {row.model_id: model})[0]


def _names(session: Session, me: Principal, model: str | None) -> dict[str, str]:
    """The models whose incidents are asked for and may be seen, by id."""
    if model is not None:
        found = require_model(session, me, model)
        return {found.id: found.name}
    return {row.id: row.name for row in models.list_models(session, names=me.models, limit=100_000)}


def _cursor(row: AlertIncident) -> str:
    return base64.urlsafe_b64encode(f"{row.opened_at.isoformat()}|{row.id}".encode()).decode()


def _parse(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    try:
        at, _, incident_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        moment = datetime.fromisoformat(at)
    except (ValueError, binascii.Error, UnicodeDecodeError) as error:
        raise Invalid("the cursor is not one of ours") from error
    if moment.tzinfo is None or "\x00" in incident_id:
        raise Invalid("the cursor is not one of ours")
    return moment, incident_id

"""Alert rules, what fires, silences and verdicts over HTTP."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Depends, Query

from backend.alerts import batch, incidents, schemas, service
from backend.alerts.trying import try_rule
from backend.deps import Me, Reader, Soi, Writer, allow, guarded_router
from backend.drift.judge import drift_judge
from backend.errors import Invalid
from backend.models.service import require_model
from backend.shapes import Moment, Slug
from db.analytics.series import Charts
from db.base import utc_now
from db.repositories import rollups

router = guarded_router("/v1/alerts", "aggregates:read")

_WRITES = [Depends(allow("alerts:write"))]
_Name = Annotated[str | None, Query(max_length=100)]


@router.get("/watchdog")
def get_watchdog(session: Reader) -> schemas.WatchdogOut:
    """Whether the rules are looked at, and how many messages wait."""
    return service.watchdog(session, utc_now())


@router.get("/rules")
def get_rules(session: Reader, me: Me, model: Annotated[Slug | None, Query()] = None) -> list[schemas.RuleOut]:
    """Rules with where they stand and how precise people found them; those that fire first."""
    return service.list_rules(session, me, model)


@router.post("/rules", status_code=201, dependencies=_WRITES)
def post_rule(body: schemas.RuleIn, session: Writer, me: Me) -> schemas.RuleOut:
    """A new rule."""
    return service.create_rule(session, me, body)


@router.post("/rules/try", dependencies=_WRITES)
def post_try(body: schemas.RuleTry, soi: Soi, me: Me) -> schemas.TryOut:
    """What a rule would have raised in the past days; nothing is saved."""
    name = body.model or body.rule.model
    if name is None:
        raise Invalid("a rule for every model is tried on one of them: name it")
    with soi.database.read() as session:
        found = require_model(session, me, name)
        fields = service.check_rule(session, me, body.rule.model_copy(update={"model": name}))
        first_day = rollups.first_days(session, [found.id]).get(found.id)
    charts = Charts(soi.database, soi.eventlog, soi.answers)
    judge = drift_judge(soi.database, soi.eventlog)
    return try_rule(charts, found, fields, first_day, body.days, utc_now(), judge)


@router.get("/rules/{rule_id}")
def get_rule(rule_id: str, session: Reader, me: Me) -> schemas.RuleOut:
    """One rule."""
    return service.read_rule(session, me, rule_id)


@router.put("/rules/{rule_id}", dependencies=_WRITES)
def put_rule(rule_id: str, body: schemas.RuleIn, session: Writer, me: Me) -> schemas.RuleOut:
    """Change a rule; what it had open ends, unless only its name or its messages changed."""
    return service.change_rule(session, me, rule_id, body)


@router.delete("/rules/{rule_id}", status_code=204, dependencies=_WRITES)
def delete_rule(rule_id: str, session: Writer, me: Me) -> None:
    """Remove a rule; its incidents stay."""
    service.delete_rule(session, me, rule_id)


@router.get("/rules/{rule_id}/series")
def get_series_states(rule_id: str, session: Reader, me: Me) -> list[schemas.SeriesStateOut]:
    """Where each series of a rule stands."""
    return service.list_series(session, me, rule_id)


@router.get("/incidents")
def get_incidents(
    session: Reader,
    me: Me,
    model: Annotated[Slug | None, Query()] = None,
    rule_id: _Name = None,
    is_open: bool | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> schemas.IncidentPage:
    """What fired, newest first; with is_open=true what fires now, worst first."""
    return incidents.list_incidents(
        session,
        me,
        model=model,
        rule_id=rule_id,
        is_open=is_open,
        start=start,
        end=end,
        cursor=cursor,
        limit=limit,
    )


@router.get("/incidents/{incident_id}")
def get_incident(incident_id: str, session: Reader, me: Me) -> schemas.IncidentOut:
    """One incident, with the link to the rows behind it."""
    return incidents.read_incident(session, me, incident_id)


@router.post("/incidents/{incident_id}/acknowledge", dependencies=_WRITES)
def post_acknowledgement(incident_id: str, session: Writer, me: Me) -> schemas.IncidentOut:
    """Take care of an incident: no more reminders."""
    return incidents.acknowledge(session, me, incident_id)


@router.post("/incidents/{incident_id}/verdict", dependencies=_WRITES)
def post_verdict(incident_id: str, body: schemas.VerdictIn, session: Writer, me: Me) -> schemas.IncidentOut:
    """Say whether it was true, false or benign."""
    return incidents.give_verdict(session, me, incident_id, body)


@router.post(
    "/incidents/{incident_id}/review-batch",
    status_code=201,
    dependencies=[Depends(allow("alerts:write")), Depends(allow("review:manage"))],
)
def post_batch(incident_id: str, body: schemas.BatchIn, soi: Soi, me: Me) -> schemas.IncidentOut:
    """Queue a stratified draw of the rows behind an incident for people."""
    return batch.open_batch(soi.database, soi.eventlog, me, incident_id, body.n, secrets.randbits(31))


@router.get("/silences")
def get_silences(session: Reader, me: Me) -> list[schemas.SilenceOut]:
    """Silences that are not over."""
    return service.list_silences(session, me, utc_now())


@router.post("/silences", status_code=201, dependencies=_WRITES)
def post_silence(body: schemas.SilenceIn, session: Writer, me: Me) -> schemas.SilenceOut:
    """Tell nothing of a rule or a model for a while."""
    return service.add_silence(session, me, body)


@router.delete("/silences/{silence_id}", status_code=204, dependencies=_WRITES)
def delete_silence(silence_id: str, session: Writer, me: Me) -> None:
    """End a silence now."""
    service.end_silence(session, me, silence_id)

"""Measures, series, summary and marks over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from backend.deps import Me, Reader, Soi, guarded_router
from backend.errors import Invalid
from backend.models.service import require_model
from backend.monitors import service
from backend.monitors.filters import parse_conditions, parse_segments
from backend.monitors.schemas import Mark, MeasureOut, Series, Summary
from backend.shapes import Moment
from db.analytics.overview import load_figures
from db.analytics.series import Charts, Selection
from db.base import utc_now
from db.repositories.alert_incidents import list_incidents, open_incidents
from db.repositories.alert_rules import list_rules
from db.repositories.model_versions import list_versions
from db.repositories.models import list_models
from db.repositories.rollouts import list_rollouts

measures: APIRouter = guarded_router("/v1/measures", "aggregates:read")
router: APIRouter = guarded_router("/v1/monitors", "aggregates:read")

#: Overview looks at the last day unless told otherwise.
_DAY = timedelta(days=1)
_Texts = Annotated[list[str], Query(max_length=20)]
_Name = Annotated[str | None, Query(max_length=200)]


@measures.get("")
def get_measures() -> list[MeasureOut]:
    """Everything that can be charted: name, unit, direction of bad, default chart."""
    return service.list_measures()


@router.get("/series")
def get_series(
    me: Me,
    soi: Soi,
    model: str,
    measure: str,
    start: Moment,
    end: Moment,
    grain_s: Annotated[int | None, Query(ge=300)] = None,
    split: _Name = None,
    version: _Name = None,
    role: _Name = None,
    segment: _Texts = [],  # noqa: B006
    where: _Texts = [],  # noqa: B006
    previous: bool = False,
) -> Series:
    """A measure over time, split and filtered, with the period before when asked."""
    with soi.database.read() as session:
        found = require_model(session, me, model)
    window = service.open_window(start, end, grain_s)
    conditions = tuple(parse_conditions(where))
    selection = Selection(version, role, parse_segments(segment), split, conditions)
    charts = Charts(soi.database, soi.eventlog, soi.answers)
    return service.draw(charts, found, measure, window, selection, utc_now(), previous=previous)


@router.get("/summary")
def get_summary(me: Me, soi: Soi, start: Moment | None = None, end: Moment | None = None) -> Summary:
    """Every model's figures against the period before, what fires now, and what waits for people."""
    end = end or utc_now()
    window = service.open_window(start or end - _DAY, end, None)
    with soi.database.read() as session:
        models = list_models(session, names=me.models, limit=1000)
        firing = open_incidents(session)
        names = {rule.id: (rule.name, rule.template) for rule in list_rules(session, limit=100_000)} if firing else {}
    figures = load_figures(soi.database, soi.eventlog, soi.answers, models, window)
    return service.summarise(models, figures, window, firing, names)


@router.get("/marks")
def get_marks(session: Reader, me: Me, model: str, start: Moment, end: Moment) -> list[Mark]:
    """What happened to the model: changes of its rollout, newly registered versions, and alerts that fired."""
    if end <= start:
        raise Invalid("the range ends before it begins")
    found = require_model(session, me, model)
    rollouts = list_rollouts(session, found.id, start=start, end=end, limit=1000)
    versions = [row for row in list_versions(session, found.id, limit=1000) if start <= row.created_at < end]
    fired = list_incidents(session, model_ids=[found.id], start=start, end=end, limit=500)
    fired = [row for row in fired if row.opened_at >= start and row.kind == "rule"]
    return service.marks(rollouts, versions, fired)

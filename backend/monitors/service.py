"""Series and summaries: turns measures into the answers of the API and says which models are not well, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from backend.alerts.rule import title_key
from backend.errors import Invalid, NotFound
from backend.monitors import schemas
from backend.monitors.rules import judge_model
from db.analytics import catalog
from db.analytics.measure import Measure
from db.analytics.overview import ModelFigures
from db.analytics.series import Charts, Lines, Selection, UnusableSelection
from db.analytics.values import Values
from db.analytics.windows import UnusableWindow, Window, make_window
from db.eventlog.filters import BadFilter


def list_measures() -> list[schemas.MeasureOut]:
    """The catalogue in its order."""
    fields = ("name", "group", "unit", "bad", "chart", "dimension", "source")
    return [
        schemas.MeasureOut(
            **{name: getattr(measure, name) for name in fields},
            item_kind=measure.item_kind if isinstance(measure, Measure) else None,
            title_key=catalog.title_key(measure),
            description_key=catalog.description_key(measure),
        )
        for measure in catalog.MEASURES
    ]


def open_window(start: datetime, end: datetime, grain_s: int | None) -> Window:
    """The aligned window; Invalid when it cannot be drawn."""
    try:
        return make_window(start, end, grain_s)
    except UnusableWindow as error:
        raise Invalid(str(error)) from error


def draw(
    charts: Charts, model: Any, name: str, window: Window, selection: Selection, now: datetime, *, previous: bool
) -> schemas.Series:
    """One chart: a measure over the window, with the period before when asked."""
    measure = catalog.BY_NAME.get(name)
    if measure is None:
        raise NotFound("there is no such measure", details={"measure": name})
    try:
        lines = charts.lines(model, measure, window, selection, now, previous=previous)
    except (UnusableSelection, BadFilter) as error:
        raise Invalid(str(error)) from error
    return schemas.Series(
        model=model.name,
        measure=measure.name,
        unit=measure.unit,
        bad=measure.bad,
        chart=measure.chart,
        split=selection.split or measure.dimension,
        grain_s=window.grain_s,
        start=window.start,
        end=window.end,
        bucket_at=window.bucket_starts,
        **_points(lines),
    )


def summarise(
    models: Sequence[Any],
    figures: dict[str, ModelFigures],
    window: Window,
    firing: Sequence[Any] = (),
    names: Mapping[str, tuple[str, str | None]] | None = None,
) -> schemas.Summary:
    """All models with their state and the alerts that are the reason for it.

    `firing` are the open incidents, worst first; `names` holds the name and template of their rules.
    """
    by_model: dict[str, list[Any]] = {}
    for incident in firing:
        by_model.setdefault(incident.model_id, []).append(incident)
    shown = [_summary(model, figures[model.id], by_model.get(model.id, []), names or {}) for model in models]
    return schemas.Summary(start=window.start, end=window.end, models=shown)


def marks(rollouts: Sequence[Any], versions: Sequence[Any], incidents: Sequence[Any] = ()) -> list[schemas.Mark]:
    """Rollouts, version registrations and what fired, oldest first."""
    found = [
        schemas.Mark(
            at=row.created_at,
            kind="rollout",
            name=row.champion,
            by=row.created_by,
            reason=row.reason,
            details={"automation_level": row.automation_level, "challengers": row.challengers, "id": row.id},
        )
        for row in rollouts
    ]
    found += [
        schemas.Mark(
            at=row.created_at,
            kind="version",
            name=row.name,
            by=row.created_by,
            reason=row.notes,
            details={"kind": row.kind},
        )
        for row in versions
    ]
    found += [
        schemas.Mark(
            at=row.opened_at,
            kind="alert",
            name=str(row.rule.get("name")),
            by=None,
            reason=row.state,
            details={
                "incident_id": row.id,
                "measure": row.rule.get("measure"),
                "state": row.state,
                "series": row.series,
                "closed_at": row.closed_at,
            },
        )
        for row in incidents
    ]
    return sorted(found, key=lambda mark: (mark.at, mark.kind))


def _points(lines: Lines) -> dict[str, Any]:
    return {
        "lines": lines_of(lines.values),
        "previous": None if lines.previous is None else lines_of(lines.previous),
        "n_left_out": lines.n_left_out,
        "source": lines.source,
    }


def lines_of(values: Values) -> list[schemas.Points]:
    """Values as lines of a chart; undefined ones are null."""
    return [
        schemas.Points.model_construct(
            name=name,
            value=_nullable(values.value[number]),
            n=values.n[number].tolist(),
            lower=None if values.lower is None else _nullable(values.lower[number]),
            upper=None if values.upper is None else _nullable(values.upper[number]),
        )
        for number, name in enumerate(values.series)
    ]


def _nullable(row: Any) -> list[float | None]:
    return [None if missing else value for value, missing in zip(row.tolist(), np.isnan(row).tolist(), strict=True)]


def _complaint(incident: Any, names: Mapping[str, tuple[str, str | None]]) -> schemas.Complaint:
    facts = incident.rule
    name, template = names.get(incident.rule_id, (str(facts.get("name")), None))
    return schemas.Complaint(
        incident_id=incident.id,
        rule_name=name,
        title_key=title_key(name, template),
        measure=str(facts.get("measure")),
        unit=catalog.unit_of(str(facts.get("measure"))),
        series=incident.series,
        series_of=str(facts.get("each") or ""),
        state="bad" if incident.state == "alert" else "warning",
        kind=incident.kind,
        value=incident.peak,
        reference=incident.reference,
        opened_at=incident.opened_at,
    )


def _summary(
    model: Any, figures: ModelFigures, firing: Sequence[Any], names: Mapping[str, tuple[str, str | None]]
) -> schemas.ModelSummary:
    events = figures.figures["events"]
    shown = {name: schemas.Figure(**figure._asdict()) for name, figure in figures.figures.items()}
    return schemas.ModelSummary(
        model=model.name,
        title=model.title,
        item_kind=model.item_kind,
        state=judge_model(bool(events.n or events.previous), firing),
        reasons=[_complaint(incident, names) for incident in firing],
        champion=figures.champion,
        automation_level=figures.automation_level,
        waiting_tasks=figures.n_waiting,
        waiting_adjudications=figures.n_disputed,
        last_event_at=figures.last_event_at,
        **shown,
    )

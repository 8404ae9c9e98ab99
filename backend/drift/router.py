"""Drift over HTTP: references, settings, the report of a window, features over time, one feature, and examples."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from backend.auth.rules import Principal
from backend.deps import Me, Reader, Soi, Writer, allow, guarded_router
from backend.drift import budget, references, schemas, service
from backend.drift.receive import received_body
from backend.errors import Invalid
from backend.models.service import require_model
from backend.monitors.filters import parse_segments
from backend.services import Services
from backend.shapes import Moment
from db.base import utc_now
from db.models.drift import DriftReference
from db.models.model import Model
from db.repositories import audit, drift_references, models

router = guarded_router("/v1/drift", "aggregates:read")
_may_write = [Depends(allow("models:write"))]
_Name = Annotated[str, Query(min_length=1, max_length=100)]
_Optional = Annotated[str | None, Query(max_length=200)]
_Texts = Annotated[list[str], Query(max_length=20)]


class Asked:
    """The query of everything that compares a window with a reference (default: the model's current one)."""

    def __init__(
        self,
        model: _Name,
        start: Moment,
        end: Moment,
        reference: Annotated[str | None, Query(max_length=36)] = None,
        version: _Optional = None,
        role: _Optional = None,
        segment: _Texts = [],  # noqa: B006
    ) -> None:
        self.model, self.start, self.end, self.reference = model, start, end, reference
        self.version, self.role, self.segments = version, role, parse_segments(segment)

    def question(self, soi: Services, me: Principal) -> service.Question:
        """The question, with the model and the reference that it names."""
        with soi.database.read() as session:
            model = require_model(session, me, self.model)
            reference = _reference(session, me, model, self.reference)
        return service.ask(
            model,
            reference,
            self.start,
            self.end,
            version=self.version,
            role=self.role,
            segments=self.segments,
        )


def _reference(session: Session, me: Principal, model: Model, wanted: str | None) -> DriftReference | None:
    if wanted is None:
        return drift_references.current_reference(session, model.id)
    reference, owner = references.require_reference(session, me, wanted)
    if owner.id != model.id:
        raise Invalid("the reference belongs to another model", code="bad_reference")
    return reference


@router.get("/references")
def list_references(model: _Name, me: Me, session: Reader) -> list[schemas.ReferenceOut]:
    """References of a model, newest first."""
    found = require_model(session, me, model)
    return [references.read_reference(row, found) for row in drift_references.list_references(session, found.id)]


@router.post("/references", status_code=201, dependencies=_may_write)
def post_reference(wish: schemas.ReferenceCreate, me: Me, soi: Soi) -> schemas.ReferenceOut:
    """Freeze a window of logged events, or follow the same hours of the past weeks; history is counted afterwards."""
    with soi.database.read() as session:
        model = require_model(session, me, wish.model)
    made = references.create_from_log(soi.database, soi.eventlog, me.actor, model, wish, utc_now())
    return references.read_reference(made, model)


@router.post("/references/upload", status_code=201, dependencies=_may_write)
async def upload_reference(
    request: Request,
    me: Me,
    soi: Soi,
    model: _Name,
    name: _Optional = None,
    file_name: _Optional = None,
    make_current: bool = True,
) -> schemas.ReferenceOut:
    """Freeze training data: the body is a CSV or Parquet file whose columns are named like the model's inputs."""

    def freeze() -> schemas.ReferenceOut:
        found = find()
        made = references.create_from_file(
            soi.database,
            soi.eventlog,
            me.actor,
            found,
            path,
            name=(name or "").strip() or None,
            file_name=file_name or "",
            make_current=make_current,
        )
        return references.read_reference(made, found)

    def find() -> Model:
        with soi.database.read() as session:
            return require_model(session, me, model)

    await run_in_threadpool(find)  # before the file is sent
    async with received_body(request, soi.settings.max_reference_bytes) as path:
        return await run_in_threadpool(freeze)


@router.get("/references/{reference_id}")
def get_reference(reference_id: str, me: Me, session: Reader) -> schemas.ReferenceOut:
    """One reference, with how far its history is counted."""
    return references.read_reference(*references.require_reference(session, me, reference_id))


@router.patch("/references/{reference_id}", dependencies=_may_write)
def patch_reference(reference_id: str, patch: schemas.ReferencePatch, me: Me, session: Writer) -> schemas.ReferenceOut:
    """Make a reference the current one, or rename it. What was frozen never changes."""
    reference, model = references.require_reference(session, me, reference_id)
    return references.read_reference(references.change_reference(session, me, reference, model, patch), model)


@router.delete("/references/{reference_id}", status_code=204, response_class=Response, dependencies=_may_write)
def remove_reference(reference_id: str, me: Me, session: Writer) -> Response:
    """Forget a reference and the counts on its bins; the events stay."""
    references.delete_reference(session, me, *references.require_reference(session, me, reference_id))
    return Response(status_code=204)


@router.get("/settings")
def get_settings(model: _Name, me: Me, session: Reader) -> schemas.DriftSettingsShape:
    """A model's knob: false alarms a month at most, the effect that matters, the length of a watched window."""
    return _settings(require_model(session, me, model))


@router.patch("/settings", dependencies=_may_write)
def patch_settings(
    patch: schemas.DriftSettingsPatch, model: _Name, me: Me, session: Writer
) -> schemas.DriftSettingsShape:
    """Change some of a model's drift settings."""
    found = models.lock_model(session, require_model(session, me, model).id)
    changes = patch.model_dump(exclude_none=True)
    found.settings = {**found.settings, budget.KEY: {**(found.settings.get(budget.KEY) or {}), **changes}}
    session.flush()
    audit.record(session, me.actor, "drift_settings.changed", f"model:{found.name}", changes)
    return _settings(found)


@router.get("/report")
def get_report(asked: Annotated[Asked, Depends()], me: Me, soi: Soi, consequence: bool = True) -> schemas.DriftReport:
    """Every feature of a window against a reference: verdict, evidence, effect, reason, moved bins, consequence."""
    return service.report(
        soi.database, soi.eventlog, soi.answers, asked.question(soi, me), with_consequence=consequence
    )


@router.get("/series")
def get_series(
    asked: Annotated[Asked, Depends()],
    me: Me,
    soi: Soi,
    grain_s: Annotated[int | None, Query(ge=3_600)] = None,
) -> schemas.DriftSeries:
    """Verdict and effect of every feature over time, in at most 120 buckets of whole hours."""
    return service.series(soi.database, soi.eventlog, asked.question(soi, me), grain_s)


@router.get("/feature")
def get_feature(
    asked: Annotated[Asked, Depends()], me: Me, soi: Soi, feature: Annotated[str, Query(min_length=1, max_length=200)]
) -> schemas.FeatureDetail:
    """One feature: its histogram, reference against window, its bins, and all its numbers."""
    return service.detail(soi.database, soi.eventlog, soi.answers, asked.question(soi, me), feature)


@router.get("/examples", dependencies=[Depends(allow("events:read"))])
def get_examples(
    asked: Annotated[Asked, Depends()],
    me: Me,
    soi: Soi,
    feature: Annotated[str, Query(min_length=1, max_length=200)],
    bins: Annotated[list[int], Query(max_length=200)] = [],  # noqa: B006
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> schemas.Examples:
    """Newest predictions in some coarse bins of a feature, or in those that grew most."""
    return service.examples(soi.database, soi.eventlog, asked.question(soi, me), feature, bins, limit)


@router.get("/together")
def get_together(asked: Annotated[Asked, Depends()], me: Me, soi: Soi) -> schemas.Multivariate:
    """All features at once, from rows: domain classifier and maximum mean discrepancy. Takes some seconds."""
    from backend.drift.together import compare_together

    return compare_together(soi.database, soi.eventlog, asked.question(soi, me))


def _settings(model: Model) -> schemas.DriftSettingsShape:
    found = budget.settings_of(model.settings)
    return schemas.DriftSettingsShape(
        model=model.name,
        alarms_per_month=found.alarms_per_month,
        floor_sigma=found.floor_sigma,
        window_s=int(found.window_s),
    )

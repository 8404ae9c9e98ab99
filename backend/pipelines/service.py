"""Registering, changing and finding pipelines. One whose models a key may not use looks as if it did not exist."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Conflict, Invalid, NotFound
from backend.pipelines.schemas import PipelineCreate, PipelinePatch, PipelineRead, StepIn, StepRead
from db.engine import WriteSession
from db.models.pipeline import Pipeline
from db.repositories import audit, models, pipelines
from db.repositories.pipelines import Chain


def require_chain(session: Session, me: Principal, name: str) -> Chain:
    """The pipeline of this name with its steps, or NotFound."""
    chain = pipelines.find_chain(session, name)
    if chain is None or not _may_use(me, chain):
        raise NotFound("there is no such pipeline", details={"pipeline": name[:200]})
    return chain


def list_chains(session: Session, me: Principal, *, limit: int = 1000, offset: int = 0) -> list[Chain]:
    """The pipelines that this principal may see, by name."""
    if me.models is None:
        return pipelines.list_chains(session, limit=limit, offset=offset)
    found = [chain for chain in pipelines.list_chains(session) if _may_use(me, chain)]
    return found[offset : offset + limit]


def create_pipeline(session: WriteSession, me: Principal, wish: PipelineCreate) -> Chain:
    """Register a pipeline; Conflict when the name is taken, Invalid when a step's model does not exist."""
    if pipelines.find_chain(session, wish.name) is not None:
        raise _taken(wish.name)
    steps = _with_ids(session, me, wish.steps)
    row = Pipeline(
        name=wish.name,
        title=wish.title,
        services=wish.services,
        mapping=wish.mapping.model_dump(exclude_defaults=True),
        created_by=me.actor,
    )
    try:
        pipelines.add_pipeline(session, row, steps)
    except IntegrityError as error:
        raise _taken(wish.name) from error
    told = {"steps": [f"{step.name}={step.model}" for step in wish.steps]}
    audit.record(session, me.actor, "pipeline.created", f"pipeline:{wish.name}", told)
    return require_chain(session, me, wish.name)


def change_pipeline(session: WriteSession, me: Principal, name: str, patch: PipelinePatch) -> Chain:
    """Apply a patch. The events stay as they are: what belongs to a step is decided when it is read."""
    row = require_chain(session, me, name).pipeline
    changed = sorted(patch.model_fields_set)
    if patch.title is not None:
        row.title = dict(patch.title)
    if patch.services is not None:
        row.services = list(patch.services)
    if patch.mapping is not None:
        row.mapping = patch.mapping.model_dump(exclude_defaults=True)
    if patch.steps is not None:
        pipelines.replace_steps(session, row.id, _with_ids(session, me, patch.steps))
    session.flush()
    audit.record(session, me.actor, "pipeline.changed", f"pipeline:{name}", {"fields": changed})
    return require_chain(session, me, name)


def delete_pipeline(session: WriteSession, me: Principal, name: str) -> None:
    """Forget a pipeline; predictions of its steps stay where they are."""
    chain = require_chain(session, me, name)
    pipelines.delete_pipeline(session, chain.pipeline.id)
    audit.record(session, me.actor, "pipeline.deleted", f"pipeline:{name}")


def shape(chain: Chain) -> PipelineRead:
    """A pipeline as the API tells it."""
    row = chain.pipeline
    return PipelineRead(
        name=row.name,
        title=row.title,
        steps=[StepRead(name=step.name, model=step.model) for step in chain.steps],
        services=row.services,
        mapping=row.mapping,
        created_at=row.created_at,
    )


def _may_use(me: Principal, chain: Chain) -> bool:
    return all(me.may_use_model(step.model) for step in chain.steps)


def _with_ids(session: Session, me: Principal, steps: Sequence[StepIn]) -> list[tuple[str, str]]:
    found = []
    for step in steps:
        model = models.find_model(session, step.model) if me.may_use_model(step.model) else None
        if model is None:
            raise Invalid("there is no such model", code="unknown_model", details={"model": step.model})
        found.append((step.name, model.id))
    return found


def _taken(name: str) -> Conflict:
    return Conflict("there is a pipeline of this name already", code="name_taken", details={"name": name})

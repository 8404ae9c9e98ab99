"""Pipelines with their steps, each step with the name of its model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from db.models.model import Model
from db.models.pipeline import Pipeline, PipelineStep


class Step(NamedTuple):
    """One step: its name and the model behind it."""

    name: str
    model_id: str
    model: str


class Chain(NamedTuple):
    """A pipeline and its steps, first one first."""

    pipeline: Pipeline
    steps: tuple[Step, ...]


def find_chain(session: Session, name: str) -> Chain | None:
    """The pipeline of this name."""
    pipeline = session.scalars(select(Pipeline).where(Pipeline.name == name)).one_or_none()
    return None if pipeline is None else _with_steps(session, [pipeline])[0]


def list_chains(session: Session, *, limit: int = 1000, offset: int = 0) -> list[Chain]:
    """Pipelines ordered by name."""
    found = session.scalars(select(Pipeline).order_by(Pipeline.name).limit(limit).offset(offset))
    return _with_steps(session, list(found))


def add_pipeline(session: Session, pipeline: Pipeline, steps: Sequence[tuple[str, str]]) -> Pipeline:
    """Store a pipeline with its steps as (name, model id), in their order."""
    session.add(pipeline)
    session.flush()
    replace_steps(session, pipeline.id, steps)
    return pipeline


def replace_steps(session: Session, pipeline_id: str, steps: Sequence[tuple[str, str]]) -> None:
    """Give a pipeline other steps."""
    session.execute(delete(PipelineStep).where(PipelineStep.pipeline_id == pipeline_id))
    session.add_all(
        PipelineStep(pipeline_id=pipeline_id, position=place, name=name, model_id=model_id)
        for place, (name, model_id) in enumerate(steps)
    )
    session.flush()


def delete_pipeline(session: Session, pipeline_id: str) -> None:
    """Forget a pipeline; the events of its steps stay."""
    session.execute(delete(PipelineStep).where(PipelineStep.pipeline_id == pipeline_id))
    session.execute(delete(Pipeline).where(Pipeline.id == pipeline_id))


def _with_steps(session: Session, pipelines: Sequence[Pipeline]) -> list[Chain]:
    steps: dict[str, list[Step]] = {pipeline.id: [] for pipeline in pipelines}
    query = (
        select(PipelineStep.pipeline_id, PipelineStep.name, PipelineStep.model_id, Model.name)
        .join(Model, Model.id == PipelineStep.model_id)
        .where(PipelineStep.pipeline_id.in_(list(steps)))
        .order_by(PipelineStep.pipeline_id, PipelineStep.position)
    )
    for pipeline_id, name, model_id, model in session.execute(query):
        steps[pipeline_id].append(Step(name, model_id, model))
    return [Chain(pipeline, tuple(steps[pipeline.id])) for pipeline in pipelines]

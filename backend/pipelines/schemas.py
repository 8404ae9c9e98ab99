"""Shapes of pipelines: their steps, and how the attributes of OpenTelemetry spans become fields of events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from backend.shapes import Input, Output, Slug

#: More steps than this cannot be drawn in a row, and sharing a change out among them doubles in cost with each.
MAX_STEPS = 8


def _plain(value: str) -> str:
    if value != value.strip() or any(not char.isprintable() for char in value):
        raise ValueError("no control characters, and no spaces at the ends")
    return value


#: A step's name: what events carry in `step`, or a span is called.
StepName = Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_plain)]
#: The name of a span attribute, or of a service.
AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_plain)]
_Names = Annotated[list[AttributeName], Field(max_length=20)]
_Renamed = Annotated[dict[AttributeName, AttributeName], Field(max_length=200)]
_Titles = dict[Annotated[str, StringConstraints(pattern="^(en|vi)$")], Annotated[str, Field(max_length=200)]]


class StepIn(Input):
    """One step: its name in the trace and the model that answers in it."""

    name: StepName
    model: Slug


class AttributeMapping(Input):
    """Where an exporter that knows nothing of Soi puts things; looked at before the default attributes.

    Lists name attributes, the first present one counts. `inputs`, `metrics` and `segments` map the name in the event
    to the attribute that holds it.
    """

    step: _Names = []
    model: _Names = []
    version: _Names = []
    role: _Names = []
    subject_id: _Names = []
    request_id: _Names = []
    prediction: _Names = []
    score: _Names = []
    inputs: _Renamed = {}
    metrics: _Renamed = {}
    segments: _Renamed = {}


def _unique_steps(steps: list[StepIn]) -> list[StepIn]:
    names = [step.name for step in steps]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"the step {name!r} occurs twice")
    return steps


Steps = Annotated[list[StepIn], Field(min_length=1, max_length=MAX_STEPS), AfterValidator(_unique_steps)]


class PipelineCreate(Input):
    """A new pipeline: its steps in the order in which a trace goes through them."""

    name: Slug
    title: _Titles = {}
    steps: Steps
    services: _Names = []
    mapping: AttributeMapping = AttributeMapping()


class PipelinePatch(Input):
    """Changes to a pipeline; what is given replaces what was there."""

    title: _Titles | None = None
    steps: Steps | None = None
    services: _Names | None = None
    mapping: AttributeMapping | None = None


class StepRead(Output):
    name: str
    model: str


class PipelineRead(Output):
    name: str
    title: dict[str, str]
    steps: list[StepRead]
    services: list[str]
    mapping: dict[str, Any]
    created_at: datetime

"""Shapes of planted items: subjects with a known label, and how people did on them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from backend.shapes import Input, Output, Slug

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class PlantedIn(Input):
    """A subject to plant. `gold`: any item whose label is sure; `injected`: a known defect. Without `label` the
    subject's resolved label is taken. A subject that was never logged needs its `artifact` (and golden sample)."""

    subject_id: Name
    kind: Literal["gold", "injected"] = "gold"
    label: Name | None = None
    artifact: Sha256 | None = None
    golden: Sha256 | None = None


class PlantedBody(Input):
    model: Slug
    items: list[PlantedIn] = Field(min_length=1, max_length=1_000)


class PlantedRefusal(Output):
    """Why an item, at the place at which it was sent, was not taken."""

    index: int
    code: str
    message: str


class PlantedStored(Output):
    """Items added or changed, and those refused."""

    n_stored: int
    refused: list[PlantedRefusal]


class PlantedOut(Output):
    """A planted item; `is_active` false: it is shown to nobody any more."""

    id: str
    subject_id: str
    kind: str
    label: str
    is_active: bool
    created_by: str
    created_at: datetime


class PersonChecks(Output):
    """How a person did on gold, injected items and hidden repeats of the window; `agreement` is null without any."""

    judge: str
    name: str | None
    n_checks: int
    n_agreed: int
    agreement: float | None

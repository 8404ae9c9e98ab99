"""Shapes of model versions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import StringConstraints, model_validator

from backend.shapes import Input, Output, SmallJson

VersionKind = Literal["torchscript", "pt2", "oip", "tfserving", "torchserve", "json", "external", "human"]
VersionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+@-]*$", max_length=100)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Notes = Annotated[str, StringConstraints(max_length=10_000)]
#: Kinds that are loaded from a model file.
FILE_KINDS = frozenset({"torchscript", "pt2"})


class VersionCreate(Input):
    """A new version. TorchScript and .pt2 versions name an uploaded model file, others have none: oip, tfserving,
    torchserve and json answer at the `upstream` of their signature, external ones only log, human ones are people."""

    name: VersionName
    kind: VersionKind
    artifact_sha256: Sha256 | None = None
    signature: SmallJson = {}
    metrics: SmallJson = {}
    notes: Notes = ""
    parent: VersionName | None = None
    dataset_id: Annotated[str, StringConstraints(max_length=36)] | None = None
    retraining_run_id: Annotated[str, StringConstraints(max_length=36)] | None = None

    @model_validator(mode="after")
    def _check_file(self) -> VersionCreate:
        if (self.kind in FILE_KINDS) != (self.artifact_sha256 is not None):
            raise ValueError("a torchscript or pt2 version needs artifact_sha256; others have none")
        return self


class VersionPatch(Input):
    """What may be added to a version later; what it is never changes."""

    metrics: SmallJson | None = None
    notes: Notes | None = None


class VersionRead(Output):
    id: str
    model: str
    name: str
    kind: str
    artifact_sha256: str | None
    signature: dict[str, Any]
    metrics: dict[str, Any]
    notes: str
    parent: str | None
    dataset_id: str | None
    retraining_run_id: str | None
    created_by: str | None
    created_at: datetime

"""Registering versions: the file must be known, and be of the kind that the version says it is."""

from __future__ import annotations

from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.errors import Conflict, Invalid, NotFound
from backend.inference.signature import REMOTE_KINDS, Signature
from backend.model_versions.schemas import FILE_KINDS, VersionCreate, VersionPatch, VersionRead
from db.engine import WriteSession
from db.models.model import Model, ModelVersion
from db.repositories import artifacts, audit, model_versions

#: Version kind -> media type that an uploaded model file of this kind has.
MEDIA_TYPES = {"torchscript": "application/x-torchscript", "pt2": "application/x-torch-export"}


def require_version(session: Session, model: Model, name: str) -> ModelVersion:
    version = model_versions.find_version(session, model.id, name)
    if version is None:
        raise NotFound("this model has no such version", details={"model": model.name, "version": name})
    return version


def create_version(session: WriteSession, me: Principal, model: Model, wish: VersionCreate) -> ModelVersion:
    """Register a version; it answers nobody until a rollout names it."""
    if model_versions.find_version(session, model.id, wish.name) is not None:
        raise _taken(wish.name)
    parent = require_version(session, model, wish.parent) if wish.parent else None
    if wish.kind in FILE_KINDS:
        _check_file(session, wish)
    _check_upstream(wish)
    fields = wish.model_dump(mode="json", exclude={"parent"})
    version = ModelVersion(**fields, model_id=model.id, parent_id=parent.id if parent else None, created_by=me.actor)
    try:
        model_versions.add_version(session, version)
    except IntegrityError as error:
        raise _taken(wish.name) from error
    details = {"kind": wish.kind, "artifact": wish.artifact_sha256}
    audit.record(session, me.actor, "version.created", f"version:{model.name}/{wish.name}", details)
    return version


def change_version(
    session: WriteSession, me: Principal, model: Model, version: ModelVersion, patch: VersionPatch
) -> ModelVersion:
    """Replace notes or metrics."""
    for key, value in patch.model_dump(exclude_unset=True).items():
        if value is not None:
            setattr(version, key, value)
    session.flush()
    target = f"version:{model.name}/{version.name}"
    audit.record(session, me.actor, "version.changed", target, {"fields": sorted(patch.model_fields_set)})
    return version


def read_versions(session: Session, model: Model, rows: list[ModelVersion]) -> list[VersionRead]:
    """What the API shows of versions, with the parents' names."""
    names = {row.id: row.name for row in rows}
    for parent_id in {row.parent_id for row in rows if row.parent_id} - names.keys():
        parent = model_versions.get_version(session, parent_id)
        if parent is not None:
            names[parent_id] = parent.name
    columns = [name for name in VersionRead.model_fields if name not in {"model", "parent"}]
    return [
        VersionRead(
            **{name: getattr(row, name) for name in columns},
            model=model.name,
            parent=names.get(row.parent_id) if row.parent_id else None,
        )
        for row in rows
    ]


def _check_file(session: Session, wish: VersionCreate) -> None:
    artifact = artifacts.get_artifact(session, wish.artifact_sha256 or "")
    if artifact is None or artifact.kind != "model":
        raise Invalid("no model file with this hash was uploaded", code="artifact_unknown")
    if artifact.media_type != MEDIA_TYPES[wish.kind]:
        raise Invalid(
            "the file is not of this kind",
            code="artifact_kind",
            details={"kind": wish.kind, "media_type": artifact.media_type},
        )


def _check_upstream(wish: VersionCreate) -> None:
    """A version that answers elsewhere says where, and is known there by a name where its protocol has names."""
    is_remote = wish.kind in REMOTE_KINDS
    if not is_remote:
        if "upstream" in wish.signature:
            raise Invalid(f"a version of kind {wish.kind} has no upstream", code="bad_signature")
        return
    try:
        upstream = Signature.model_validate(wish.signature).upstream
    except ValidationError as error:
        first = error.errors()[0]
        pointer = "/".join(["", "signature", *map(str, first["loc"])])
        raise Invalid(first["msg"], code="bad_signature", details={"pointer": pointer}) from error
    needed = {"oip": ("model", "input"), "tfserving": ("model",), "torchserve": ("model",)}.get(wish.kind, ())
    missing = [name for name in needed if upstream is None or getattr(upstream, name) is None]
    if upstream is None or missing:
        what = ", ".join(missing) or "upstream"
        raise Invalid(f"a version of kind {wish.kind} needs {what} in its signature's upstream", code="bad_signature")


def _taken(name: str) -> Conflict:
    return Conflict("this model has a version of this name already", code="name_taken", details={"name": name})

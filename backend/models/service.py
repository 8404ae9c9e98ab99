"""Registering and changing models. What history was logged under may grow but neither vanish nor change its type."""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend.alerts.defaults import default_rules
from backend.auth.rules import Principal
from backend.errors import Conflict, Invalid, NotAllowed, NotFound
from backend.inference.gate import Serving
from backend.models.schemas import ModelCreate, ModelPatch
from db.base import utc_now
from db.engine import WriteSession
from db.models.model import Model
from db.repositories import alert_rules, audit, models, review_policies
from review.rules.sampling import ReviewPolicy

#: Fields whose change alters what the door accepts and how events are stored.
_SCHEMA_FIELDS = ("inputs", "metrics", "segment_keys")


def require_model(session: Session, me: Principal, name: str) -> Model:
    """The model of this name; NotFound also for one that this principal's key is not for."""
    model = models.find_model(session, name) if me.may_use_model(name) else None
    if model is None:
        raise NotFound("there is no such model", details={"model": name})
    return model


def create_model(session: WriteSession, me: Principal, wish: ModelCreate) -> Model:
    """Register a model; Conflict when the name is taken."""
    if not me.may_use_model(wish.name):
        raise NotAllowed("this key is narrowed to other models")
    if models.find_model(session, wish.name) is not None:
        raise _taken(wish.name)
    model = Model(**wish.model_dump(mode="json"))
    _check_serving(model.settings, [label["name"] for label in model.labels])
    try:
        models.add_model(session, model)
    except IntegrityError as error:
        raise _taken(wish.name) from error
    _declare_policy(session, me, model)
    alert_rules.give_defaults(session, model.id, default_rules())
    audit.record(session, me.actor, "model.created", f"model:{model.name}", {"item_kind": model.item_kind})
    return model


def change_model(session: WriteSession, me: Principal, name: str, patch: ModelPatch) -> Model:
    """Apply a patch after checking it against what is logged already."""
    model = models.lock_model(session, require_model(session, me, name).id)
    new = {key: value for key, value in patch.model_dump(mode="json", exclude_unset=True).items() if value is not None}
    changed = {key: value for key, value in new.items() if getattr(model, key) != value}
    if not changed:
        return model
    _check_change(session, model, changed)
    if "settings" in changed:
        _check_serving(changed["settings"], [label["name"] for label in changed.get("labels", model.labels)])
    before = model.settings.get("review_policy")
    for key, value in changed.items():
        setattr(model, key, value)
    if any(key in changed for key in _SCHEMA_FIELDS):
        model.schema_version += 1
    if "settings" in changed and changed["settings"].get("review_policy") != before:
        _declare_policy(session, me, model)
    session.flush()
    audit.record(session, me.actor, "model.changed", f"model:{name}", {"fields": sorted(changed)})
    return model


def _check_serving(settings: dict[str, Any], labels: list[str]) -> None:
    """What the settings say of requests that wait for a person must be possible."""
    try:
        Serving.declared(settings, labels)
    except ValueError as error:
        raise Invalid(str(error), code="bad_serving", details={"pointer": "/settings/serving"}) from error


def _declare_policy(session: WriteSession, me: Principal, model: Model) -> None:
    """A review policy among the settings is declared like any other: it gets a number, a time and an author."""
    if model.settings.get("review_policy") is None:
        return
    try:
        policy = ReviewPolicy.declared(model.settings)
    except ValueError as error:
        raise Invalid(str(error), code="bad_policy", details={"pointer": "/settings/review_policy"}) from error
    review_policies.add_policy(
        session, model.id, policy, reason="declared with the model", created_by=me.actor, created_at=utc_now()
    )


def _check_change(session: WriteSession, model: Model, changed: dict[str, Any]) -> None:
    if model.is_schema_locked and changed.get("is_schema_locked", True) and any(f in changed for f in _SCHEMA_FIELDS):
        raise Conflict("the schema of this model is locked: unlock it first", code="schema_locked")
    if "labels" in changed:
        if model.output_kind != "label" and changed["labels"]:
            raise Invalid("only a model whose output is a label has labels")
        if len(changed["labels"]) == 1:
            raise Invalid("one label alone decides nothing: give at least two")
    _refuse_new_types(model, changed.get("inputs", []))
    gone = _removed(model, changed)
    if gone and models.has_history(session, model.id):
        raise Conflict(
            "events, decisions or labels use this already: it cannot be removed",
            code="in_use",
            details={"removed": gone},
        )


def _refuse_new_types(model: Model, inputs: list[dict[str, Any]]) -> None:
    old = {field["name"].casefold(): field for field in model.inputs}
    for field in inputs:
        before = old.get(field["name"].casefold())
        if before is not None and (before["type"], before["name"]) != (field["type"], field["name"]):
            raise Conflict(
                f"the input {before['name']!r} is a {before['type']}: an input keeps its name and type; add a new one",
                code="input_type_changed",
                details={"input": before["name"], "type": before["type"], "wanted": field["type"]},
            )


def _removed(model: Model, changed: dict[str, Any]) -> dict[str, list[str]]:
    """Names that the patch would take away, by field."""
    gone: dict[str, list[str]] = {}
    for key in ("labels", "inputs", "metrics", "segment_keys"):
        if key in changed:
            missing = sorted(set(_names(getattr(model, key))) - set(_names(changed[key])))
            if missing:
                gone[key] = missing
    return gone


def _names(items: list[Any]) -> list[str]:
    return [item["name"] if isinstance(item, dict) else item for item in items]


def _taken(name: str) -> Conflict:
    return Conflict("there is a model of this name already", code="name_taken", details={"name": name})

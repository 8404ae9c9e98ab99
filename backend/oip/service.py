"""The Open Inference Protocol on our models: what they are, whether they answer, and asking them. Both transports call
this; answers come from the same inference service as plain predict."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from backend.artifacts.service import sniff_kind, store_file
from backend.auth.rules import Principal
from backend.errors import Conflict, NotFound, SoiError, Unavailable, UpstreamFailed
from backend.inference.answers import BadInput
from backend.inference.plan import VersionRef, version_ref
from backend.inference.schemas import PredictBody
from backend.inference.service import Served, Target
from backend.inference.signature import Signature
from backend.inference.statistics import VersionStatistics
from backend.models.service import require_model
from backend.oip.exchange import InferAnswer, InferRequest, check_wanted, select
from backend.oip.mapping import Item, TensorSpec, build_outputs, inputs_of, outputs_of, read_items
from backend.services import Services
from db.base import new_id
from db.models.model import Model
from db.repositories import audit, model_versions, models

NAME: Final = "soi"
VERSION: Final = "0.1.0"
#: Extensions of the protocol that are spoken, by the names that Triton gave them.
EXTENSIONS: Final = ("binary_tensor_data", "model_repository", "statistics")
#: Kind of version -> platform, as the protocol's clients know it where there is such a name.
PLATFORMS: Final = {
    "torchscript": "pytorch_libtorch",
    "pt2": "pytorch_export",
    "oip": "open_inference",
    "tfserving": "tensorflow_serving",
    "torchserve": "torchserve",
    "json": "json",
}
_MAX_MODELS = 10_000
_SEGMENT = "segments."
#: Parameters of a request that hold for all of its items.
_PARAMETERS: Final = ("trace_id", "step", "wait_s")


@dataclass(frozen=True, slots=True)
class Description:
    """Metadata of a model. `versions` are those that can be asked for by name, newest first."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One version in the repository index. `state` is READY, or UNAVAILABLE for a reason."""

    name: str
    version: str
    state: str
    reason: str


async def find(soi: Services, me: Principal, name: str, version: str = "") -> Target:
    """Who answers; NotFound also for a model that this principal's key is not for."""
    if not me.may_use_model(name):
        raise NotFound("there is no such model", details={"model": name})
    return await soi.inference.find(name, version)


async def describe(soi: Services, me: Principal, name: str, version: str = "") -> Description:
    """What a model takes and gives, by the signature of its champion or of the version named."""
    target = await find(soi, me, name, version)
    signature = _signature(target)
    versions = await asyncio.to_thread(_servable, soi, target.plan.model.id)
    return Description(
        name=name,
        versions=versions,
        platform=PLATFORMS.get(target.version.kind, target.version.kind),
        inputs=inputs_of(signature, _declared(target)),
        outputs=outputs_of(signature),
    )


async def check_ready(soi: Services, me: Principal, name: str, version: str = "") -> None:
    """Raise SoiError unless a version answers now; it is loaded for that where it was not yet."""
    target = await find(soi, me, name, version)
    problem = await soi.inference.why_not_ready(target.version)
    if problem is not None:
        raise Unavailable(problem, code="not_ready")


async def infer(
    soi: Services, me: Principal, name: str, version: str, request: InferRequest
) -> tuple[InferAnswer, list[Served]]:
    """The answer with the outputs asked for, logged before it leaves, and what the shadows need afterwards."""
    target = await find(soi, me, name, version)
    signature = _signature(target)
    check_wanted(request.outputs, [one.name for one in outputs_of(signature)])
    request_id = request.id or new_id()
    try:
        items = read_items(signature, _declared(target), request.inputs)
        # Only pictures are worth a thread: they are checked and stored.
        bodies = (
            await asyncio.to_thread(_bodies, soi, me, request, request_id, items)
            if any(one.pictures for one in items)
            else _bodies(soi, me, request, request_id, items)
        )
    except BadInput as error:
        refused = PredictBody.model_construct(request_id=request_id)
        raise await soi.inference.refuse(target, refused, str(error)) from error
    served = await soi.inference.answer(target, bodies)
    served = await asyncio.gather(*(soi.inference.wait(one) for one in served))
    outputs = build_outputs(signature, [one.prediction for one in served])
    said = {one.prediction.version or target.version.name for one in served}
    answered = said.pop() if len(said) == 1 else target.version.name
    answer = InferAnswer(name, answered, request_id, select(outputs, request.outputs))
    return answer, served


async def list_index(soi: Services, me: Principal, *, only_ready: bool = False) -> list[IndexEntry]:
    """Every version that there is, by model; those that cannot answer with the reason."""

    def read() -> list[IndexEntry]:
        with soi.database.read() as session:
            found = models.list_models(session, names=me.models, limit=_MAX_MODELS)
            grouped = model_versions.list_by_model(session, [model.id for model in found])
            return [_entry(soi, model, version_ref(row)) for model in found for row in grouped.get(model.id, ())]

    entries = await asyncio.to_thread(read)
    return [one for one in entries if one.state == "READY" or not only_ready]


async def load(soi: Services, me: Principal, name: str) -> None:
    """Put a model back on serving in every process, and load its champion in this one."""
    await asyncio.to_thread(_set_served, soi, me, name, is_served=True)
    soi.inference.forget_plans()
    target = await find(soi, me, name)
    soi.inference.versions.retry(target.version)
    problem = await soi.inference.why_not_ready(target.version)
    if problem is not None:
        raise UpstreamFailed(problem, code="version_failed")


async def unload(soi: Services, me: Principal, name: str) -> None:
    """Take a model off serving in every process (within half a second), and free its memory in this one."""
    versions = await asyncio.to_thread(_set_served, soi, me, name, is_served=False)
    soi.inference.forget_plans()
    for version in versions:
        soi.inference.versions.drop(version)


async def list_statistics(soi: Services, me: Principal, name: str = "", version: str = "") -> list[VersionStatistics]:
    """Counts of this process since it started: of one version, of a model's versions, or of all that were asked."""
    if not name:
        return [one for one in soi.inference.statistics.all() if me.may_use_model(one.model)]
    if version:
        found = soi.inference.statistics.of((await find(soi, me, name, version)).version)
        return [found] if found is not None else []
    await asyncio.to_thread(_require, soi, me, name)
    return [one for one in soi.inference.statistics.all() if one.model == name]


def _signature(target: Target) -> Signature:
    if target.version.signature is None:
        raise Conflict(target.version.problem or "this version has no usable signature", code="no_signature")
    return target.version.signature


def _declared(target: Target) -> dict[str, str]:
    return {one["name"]: one["type"] for one in target.plan.model.inputs}


def _bodies(
    soi: Services, me: Principal, request: InferRequest, request_id: str, items: Sequence[Item]
) -> list[PredictBody]:
    """One body for each item, its pictures stored, so that people can look at what was judged."""
    shared = _shared(request, len(items))
    made = []
    for place, item in enumerate(items):
        fields: dict[str, Any] = {**shared, "inputs": item.inputs}
        fields["artifacts"] = [one if isinstance(one, str) else _store(soi, me, one) for one in item.pictures]
        # Items are told apart by their place: shadows and traces are joined by the id of the request.
        fields["request_id"] = request_id if len(items) == 1 else f"{request_id}/{place}"
        if item.subject_id is not None:
            fields["subject_id"] = item.subject_id
        try:
            made.append(PredictBody.model_validate(fields))
        except ValidationError as error:
            first = error.errors()[0]
            place_in = "/".join(str(part) for part in first["loc"])
            said = first["msg"].removeprefix("Value error, ")
            raise BadInput(f"item {place}: {place_in + ': ' if place_in else ''}{said}"[:300]) from None
    return made


def _shared(request: InferRequest, n_items: int) -> dict[str, Any]:
    """What the parameters of a request say of its items."""
    found: dict[str, Any] = {key: request.parameters[key] for key in _PARAMETERS if key in request.parameters}
    if "subject_id" in request.parameters:
        if n_items > 1:
            raise BadInput('the parameter "subject_id" names one thing: name several by a BYTES input "subject_id"')
        found["subject_id"] = request.parameters["subject_id"]
    found["segments"] = {
        key.removeprefix(_SEGMENT): value for key, value in request.parameters.items() if key.startswith(_SEGMENT)
    }
    return found


def _store(soi: Services, me: Principal, picture: bytes) -> str:
    if sniff_kind(picture[:64]) != "image":
        raise BadInput("an image is neither PNG, JPEG, WebP nor BMP")
    with tempfile.NamedTemporaryFile(prefix="soi-picture-") as file:
        file.write(picture)
        file.flush()
        try:
            return store_file(soi, me, Path(file.name), "").sha256
        except SoiError as error:
            raise BadInput(f"the picture cannot be used: {error.message}") from error


def _servable(soi: Services, model_id: str) -> list[str]:
    with soi.database.read() as session:
        return [one.name for one in model_versions.list_versions(session, model_id) if one.kind in PLATFORMS]


def _entry(soi: Services, model: Model, version: VersionRef) -> IndexEntry:
    reason = soi.inference.versions.why_not(version)
    if not model.is_served:
        reason = "taken off serving"
    return IndexEntry(model.name, version.name, "UNAVAILABLE" if reason else "READY", reason or "")


def _require(soi: Services, me: Principal, name: str) -> None:
    with soi.database.read() as session:
        require_model(session, me, name)


def _set_served(soi: Services, me: Principal, name: str, *, is_served: bool) -> list[VersionRef]:
    with soi.database.write() as session:
        model = models.lock_model(session, require_model(session, me, name).id)
        if model.is_served != is_served:
            model.is_served = is_served
            session.flush()
            action = "model.loaded" if is_served else "model.unloaded"
            audit.record(session, me.actor, action, f"model:{name}")
        return [version_ref(one) for one in model_versions.list_versions(session, model.id, limit=_MAX_MODELS)]

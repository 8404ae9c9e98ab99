"""The Open Inference Protocol v2 over REST: /v2. Errors are {"error": "text"} (backend.http)."""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, BackgroundTasks, Depends, Request, Response

from backend.deps import Me, Soi, allow, guarded_router
from backend.errors import Invalid
from backend.inference.service import Inference, Served
from backend.oip import rest, service
from backend.oip.control import check_load
from backend.oip.exchange import InferAnswer, InferRequest
from backend.oip.mapping import TensorSpec
from backend.oip.reports import statistics_report
from backend.predictions.body import BodyBudget
from backend.predictions.router import door
from backend.status.router import check_ready

public = APIRouter(prefix="/v2/health", tags=["open inference"])
router = guarded_router("/v2", "predict", tags=["open inference"])

#: Larger bodies are read and written in a thread, so that they do not hold up other requests.
_LARGE_BYTES = 256 * 1024
#: Control messages hold a few names.
_MAX_CONTROL_BYTES = 64 * 1024
_BODY = {"requestBody": {"content": {"application/json": {}, "application/octet-stream": {}}, "required": True}}
_CONTROLS_SERVING = [Depends(allow("rollouts:write"))]


@public.get("/live")
async def is_live() -> dict[str, bool]:
    """Answers as long as the process runs."""
    return {"live": True}


@public.get("/ready")
async def is_ready(soi: Soi) -> dict[str, bool]:
    """200 when the database answers and stands at the newest revision, else 503."""
    await check_ready(soi)
    return {"ready": True}


@router.get("")
@router.get("/")
async def get_server() -> dict[str, Any]:
    """Name, version and extensions of the server."""
    return {"name": service.NAME, "version": service.VERSION, "extensions": list(service.EXTENSIONS)}


# Before the routes of single models: the protocol's clients ask here for all of them.
@router.get("/models/stats")
async def list_all_statistics(soi: Soi, me: Me) -> dict[str, Any]:
    """Counts and times of every version that this process asked since it started."""
    return statistics_report(await service.list_statistics(soi, me))


@router.get("/models/{model}")
@router.get("/models/{model}/versions/{version}")
async def get_model(soi: Soi, me: Me, model: str, version: str = "") -> dict[str, Any]:
    """Versions, platform, inputs and outputs of a model, by its champion or the version named."""
    found = await service.describe(soi, me, model, version)
    return {
        "name": found.name,
        "versions": found.versions,
        "platform": found.platform,
        "inputs": [_spec(one) for one in found.inputs],
        "outputs": [_spec(one) for one in found.outputs],
    }


@router.get("/models/{model}/ready")
@router.get("/models/{model}/versions/{version}/ready")
async def is_model_ready(soi: Soi, me: Me, model: str, version: str = "") -> dict[str, Any]:
    """200 when the model answers (it is loaded for that), else the reason as an error."""
    await service.check_ready(soi, me, model, version)
    return {"name": model, "ready": True}


@router.get("/models/{model}/stats")
@router.get("/models/{model}/versions/{version}/stats")
async def list_statistics(soi: Soi, me: Me, model: str, version: str = "") -> dict[str, Any]:
    """Counts and times of a model's versions, or of the one named, since this process started."""
    return statistics_report(await service.list_statistics(soi, me, model, version))


@router.post("/models/{model}/infer", openapi_extra=_BODY)
@router.post("/models/{model}/versions/{version}/infer", openapi_extra=_BODY)
async def infer(soi: Soi, me: Me, request: Request, after: BackgroundTasks, model: str, version: str = "") -> Response:
    """The answer of the champion, or of the version named; logged before it leaves, shadows run after it has left."""
    asked = await _read(request, soi.settings.max_body_bytes)
    answer, served = await service.infer(soi, me, model, version, asked)
    after.add_task(_shadows, soi.inference, served)
    return await _write(request, answer, asked)


@router.post("/repository/index")
async def list_repository(soi: Soi, me: Me, request: Request) -> list[dict[str, str]]:
    """Every version and whether it answers; {"ready": true} leaves out those that do not."""
    wish = await _control(request, soi.settings.max_body_bytes)
    entries = await service.list_index(soi, me, only_ready=wish.get("ready") is True)
    return [{"name": one.name, "version": one.version, "state": one.state, "reason": one.reason} for one in entries]


@router.post("/repository/models/{model}/load", dependencies=_CONTROLS_SERVING)
async def load_model(soi: Soi, me: Me, request: Request, model: str) -> dict[str, Any]:
    """Put a model back on serving, and load its champion."""
    check_load((await _control(request, soi.settings.max_body_bytes)).get("parameters") or {})
    await service.load(soi, me, model)
    return {}


@router.post("/repository/models/{model}/unload", dependencies=_CONTROLS_SERVING)
async def unload_model(soi: Soi, me: Me, request: Request, model: str) -> dict[str, Any]:
    """Take a model off serving until it is loaded again, whatever its rollout says."""
    await _control(request, soi.settings.max_body_bytes)
    await service.unload(soi, me, model)
    return {}


def _spec(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": spec.shape}


async def _shadows(inference: Inference, served: list[Served]) -> None:
    """In the event loop: it only puts into a queue, so a thread would cost more than it does."""
    for one in served:
        inference.run_shadows(one)


async def _body(request: Request, max_bytes: int) -> tuple[bytes, BodyBudget]:
    """The raw body, whatever its Content-Type: some clients send none."""
    door(request, request.app.state.services)
    budget: BodyBudget = request.app.state.body_budget
    return await budget.take(request, max_bytes), budget


async def _read(request: Request, max_bytes: int) -> InferRequest:
    body, budget = await _body(request, max_bytes)
    encoding = request.headers.get("content-encoding", "")
    header_length = request.headers.get(rest.HEADER_LENGTH)

    def read() -> InferRequest:
        return rest.read_request(rest.unpack(body, encoding, max_bytes), header_length)

    try:
        return read() if len(body) < _LARGE_BYTES and not encoding else await run_sync(read)
    finally:
        budget.give_back(body)


async def _write(request: Request, answer: InferAnswer, asked: InferRequest) -> Response:
    def write() -> Response:
        body, json_length = rest.write_answer(answer, asked)
        packed, encoding = rest.pack(body, request.headers.get("accept-encoding", ""))
        headers = {} if encoding is None else {"Content-Encoding": encoding}
        headers["Vary"] = "Accept-Encoding"
        if json_length is not None:
            headers[rest.HEADER_LENGTH] = str(json_length)
        kind = "application/json" if json_length is None else "application/octet-stream"
        return Response(packed, media_type=kind, headers=headers)

    n_values = sum(len(one.values) for one in answer.outputs)
    return write() if n_values < _LARGE_BYTES // 32 else await run_sync(write)


async def _control(request: Request, max_bytes: int) -> dict[str, Any]:
    """The JSON object of a control message; an empty body is an empty one."""
    body, budget = await _body(request, min(_MAX_CONTROL_BYTES, max_bytes))
    try:
        plain = rest.unpack(body, request.headers.get("content-encoding", ""), _MAX_CONTROL_BYTES)
        found = rest.read_object(plain) if plain.strip() else {}
    finally:
        budget.give_back(body)
    if not isinstance(found.get("parameters") or {}, dict):
        raise Invalid("parameters is no object")
    return found

"""The Open Inference Protocol over gRPC, in the process and the event loop of the API. Needs the extra `soi[grpc]`.

The same service answers as over REST; the API key comes as metadata ("authorization: Bearer ...").
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
import grpc.aio
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backend.auth.rules import Principal
from backend.errors import NotAllowed, NotAuthenticated, SoiError
from backend.http import storage_error
from backend.oip import grpc_codec, service
from backend.oip.control import check_load
from backend.oip.messages import CALLS, SERVICE, message
from backend.oip.reports import statistics_report
from backend.services import Services
from backend.status.router import check_ready

log = structlog.get_logger("soi.grpc")

#: Calls at once; more are told to come back. Each may hold a message of the largest size.
MAX_CALLS: Final = 32
#: What was accepted is finished within this time after a stop is asked for.
GRACE_S: Final = 5.0
#: Status over HTTP -> the nearest of gRPC.
_CODES: Final = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
    507: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
#: Call -> the permission it asks for beside "predict"; the health of the server is open, as over REST.
_OPEN: Final = frozenset({"ServerLive", "ServerReady"})
_MORE: Final = {"RepositoryModelLoad": "rollouts:write", "RepositoryModelUnload": "rollouts:write"}


@asynccontextmanager
async def serving(soi: Services) -> AsyncIterator[None]:
    """Serve on SOI_GRPC_HOST:SOI_GRPC_PORT for as long as the block runs."""
    limit = soi.settings.max_body_bytes
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", limit),
            ("grpc.max_send_message_length", -1),
            # Without, a second server on a taken port would take part of its calls instead of being refused.
            ("grpc.so_reuseport", int(soi.settings.grpc_shared_port)),
        ],
        maximum_concurrent_rpcs=MAX_CALLS,
    )
    server.add_generic_rpc_handlers((Handler(soi),))
    address = f"{soi.settings.grpc_host}:{soi.settings.grpc_port}"
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"gRPC cannot listen on {address}: is the port taken?") from error
    await server.start()
    try:
        yield
    finally:
        await server.stop(GRACE_S)


class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Finds the method behind a call's name; the messages are ours, in no pool that others share."""

    def __init__(self, soi: Services) -> None:
        calls = Calls(soi)
        self._methods = {f"/{SERVICE}/{name}": _method(soi, name, getattr(calls, name)) for name in CALLS}

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a call; None for one that does not exist, which gRPC answers as unimplemented."""
        return self._methods.get(handler_call_details.method)


class Calls:
    """The calls of the service, named as in the protocol."""

    def __init__(self, soi: Services) -> None:
        self._soi = soi

    async def ServerLive(self, *_: Any) -> Any:
        return message("ServerLiveResponse")(live=True)

    async def ServerReady(self, *_: Any) -> Any:
        try:
            await check_ready(self._soi)
        except SoiError:
            return message("ServerReadyResponse")(ready=False)
        return message("ServerReadyResponse")(ready=True)

    async def ModelReady(self, asked: Any, me: Principal, _: Any) -> Any:
        """A model that is unknown or does not answer is not ready; over gRPC that is no error."""
        try:
            await service.check_ready(self._soi, me, asked.name, asked.version)
        except SoiError:
            return message("ModelReadyResponse")(ready=False)
        return message("ModelReadyResponse")(ready=True)

    async def ServerMetadata(self, *_: Any) -> Any:
        return message("ServerMetadataResponse")(
            name=service.NAME, version=service.VERSION, extensions=service.EXTENSIONS
        )

    async def ModelMetadata(self, asked: Any, me: Principal, _: Any) -> Any:
        found = await service.describe(self._soi, me, asked.name, asked.version)
        made = message("ModelMetadataResponse")(name=found.name, versions=found.versions, platform=found.platform)
        for specs, into in ((found.inputs, made.inputs), (found.outputs, made.outputs)):
            for spec in specs:
                into.add(name=spec.name, datatype=spec.datatype, shape=spec.shape)
        return made

    async def ModelInfer(self, asked: Any, me: Principal, context: Any) -> Any:
        request = grpc_codec.read_request(asked)
        answer, served = await service.infer(self._soi, me, asked.model_name, asked.model_version, request)

        def run_shadows(_: Any) -> None:
            for one in served:
                self._soi.inference.run_shadows(one)

        context.add_done_callback(run_shadows)
        return grpc_codec.write_answer(answer, asked)

    async def ModelStatistics(self, asked: Any, me: Principal, _: Any) -> Any:
        found = await service.list_statistics(self._soi, me, asked.name, asked.version)
        made = message("ModelStatisticsResponse")()
        for one in statistics_report(found)["model_stats"]:
            of = {name: message("StatisticDuration")(**spent) for name, spent in one["inference_stats"].items()}
            counts = {name: one[name] for name in ("last_inference", "inference_count", "execution_count")}
            made.model_stats.add(
                name=one["name"], version=one["version"], inference_stats=message("InferStatistics")(**of), **counts
            )
        return made

    async def RepositoryIndex(self, asked: Any, me: Principal, _: Any) -> Any:
        made = message("RepositoryIndexResponse")()
        for one in await service.list_index(self._soi, me, only_ready=asked.ready):
            made.models.add(name=one.name, version=one.version, state=one.state, reason=one.reason)
        return made

    async def RepositoryModelLoad(self, asked: Any, me: Principal, _: Any) -> Any:
        check_load(grpc_codec.parameters_of(asked.parameters))
        await service.load(self._soi, me, asked.model_name)
        return message("RepositoryModelLoadResponse")()

    async def RepositoryModelUnload(self, asked: Any, me: Principal, _: Any) -> Any:
        await service.unload(self._soi, me, asked.model_name)
        return message("RepositoryModelUnloadResponse")()


def _method(soi: Services, name: str, call: Callable[..., Awaitable[Any]]) -> Any:
    async def run(asked: Any, context: Any) -> Any:
        try:
            me = None if name in _OPEN else await _principal(soi, context, _MORE.get(name))
            return await call(asked, me, context)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets a status and no traceback
            code, text = _told(name, error)
        return await context.abort(code, text)

    return grpc.unary_unary_rpc_method_handler(
        run,
        request_deserializer=message(f"{name}Request").FromString,
        response_serializer=message(f"{name}Response").SerializeToString,
    )


async def _principal(soi: Services, context: Any, more: str | None) -> Principal:
    """Who calls, by the same keys and permissions as over REST."""
    sent = {name.lower(): value for name, value in context.invocation_metadata() or ()}
    scheme, _, token = str(sent.get("authorization", "")).partition(" ")
    me = await soi.authenticator.principal_of(token.strip()) if scheme.lower() == "bearer" else None
    if me is None:
        raise NotAuthenticated('send an API key as metadata: "authorization: Bearer ..."')
    for permission in ("predict", more):
        if permission is not None and not me.may(permission):
            raise NotAllowed("your role or key does not allow this", details={"permission": permission})
    return me


def _told(name: str, error: Exception) -> tuple[Any, str]:
    if isinstance(error, DBAPIError | PoolTimeout):
        log.warning("storage failed", error=str(error)[:300])
        error = storage_error(error)
    if isinstance(error, SoiError):
        return _CODES.get(error.status, grpc.StatusCode.INTERNAL), error.message
    log.error("call failed", call=name, exc_info=error)
    return grpc.StatusCode.INTERNAL, "the server made a mistake; its log says which"

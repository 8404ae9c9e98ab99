"""POST /v1/traces: OTLP/HTTP, where any OpenTelemetry exporter sends its spans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope, Send

from backend.deps import allow_directly
from backend.errors import SoiError, TooManyRequests, UnsupportedMediaType
from backend.pipelines import otlp
from backend.pipelines.intake import Export, SpanDoor
from backend.pipelines.otlp import Encoding
from backend.predictions.router import door as logging_door
from backend.raw_route import RawRoute
from backend.services import Services

_MEDIA_TYPES: Final[dict[Encoding, str]] = {"protobuf": "application/x-protobuf", "json": "application/json"}
#: HTTP status -> code of google.rpc.Status.
_RPC_CODES: Final = {400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 413: 3, 415: 3, 422: 3, 429: 8, 503: 14, 507: 8}


def encoding_of(request: Request) -> Encoding:
    """How the export is written; 415 for anything that OTLP does not know."""
    name = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    for encoding, media_type in _MEDIA_TYPES.items():
        if name == media_type:
            return encoding
    raise UnsupportedMediaType(
        "send application/x-protobuf or application/json, as OTLP/HTTP does", details={"got": name[:100]}
    )


class OtlpRoute(RawRoute):
    """Answers errors as OTLP asks: a google.rpc.Status in the encoding of the request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        inner: Callable[[Scope, Receive, Send], Awaitable[None]] = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await inner(scope, receive, send)
            except SoiError as error:
                await _status_answer(Request(scope), error)(scope, receive, send)

        self.app = app


router = APIRouter(
    prefix="/v1/traces",
    tags=["pipelines"],
    dependencies=[Depends(allow_directly("events:write"))],
    route_class=OtlpRoute,
)


@router.post("", openapi_extra={"requestBody": {"content": {name: {} for name in _MEDIA_TYPES.values()}}})
async def take_spans(request: Request) -> Response:
    """Take an OTLP export of spans, each a step of a pipeline; answers after they are on disk."""
    soi: Services = request.app.state.services
    logging = logging_door(request, soi)
    try:
        request.app.state.request_rate.check(request.state.principal.actor)
    except TooManyRequests:
        logging.count("", "too_many_requests")
        raise
    encoding = encoding_of(request)
    packed = request.headers.get("content-encoding", "identity").strip().lower()
    if packed not in ("identity", "gzip", ""):
        raise UnsupportedMediaType("the body is plain or gzip", details={"got": packed[:100]})
    asked = request.headers.get("soi-pipeline") or QueryParams(request.scope["query_string"]).get("pipeline")
    limit = min(otlp.MAX_BODY_BYTES, soi.settings.max_body_bytes)
    body = await request.app.state.body_budget.take(request, limit)
    try:
        export = Export(body, encoding, packed == "gzip", limit, asked)
        tally = await span_door(request, soi).take(export, request.state.principal)
    finally:
        request.app.state.body_budget.give_back(body)
    answer = otlp.write_success(encoding, tally.n_rejected, tally.told())
    return Response(answer, media_type=_MEDIA_TYPES[encoding])


def span_door(request: Request, soi: Services) -> SpanDoor:
    """The process's OTLP door, made at the first export."""
    found: SpanDoor | None = getattr(request.app.state, "span_door", None)
    if found is None:
        found = request.app.state.span_door = SpanDoor(soi.eventlog)
    return found


def _status_answer(request: Request, error: SoiError) -> Response:
    try:
        encoding = encoding_of(request)
    except UnsupportedMediaType:
        encoding = "json"
    headers = {"Retry-After": str(max(1, round(error.retry_after_s)))} if error.retry_after_s is not None else {}
    body = otlp.write_status(encoding, _RPC_CODES.get(error.status, 2), error.message, error.body())
    return Response(body, status_code=error.status, headers=headers, media_type=_MEDIA_TYPES[encoding])

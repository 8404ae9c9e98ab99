"""Is the process alive, is it ready, what do its counters say, and what can it do."""

from __future__ import annotations

import anyio
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from backend.deps import Soi, allow
from backend.errors import Unavailable
from backend.services import Services
from db.migrations import runner

#: A database that hangs is reported as not ready within this time.
READY_TIMEOUT_S = 2.5

router = APIRouter(tags=["status"])


@router.get("/healthz")
async def is_alive() -> dict[str, str]:
    """Answers as long as the process runs; never touches the database."""
    return {"status": "alive"}


@router.get("/readyz")
async def is_ready(soi: Soi) -> dict[str, str]:
    """200 when the database answers and stands at the newest revision, else 503."""
    await check_ready(soi)
    return {"status": "ready"}


async def check_ready(soi: Services) -> None:
    """Raise Unavailable unless the database answers and stands at the newest revision."""

    def ask() -> str | None:
        with soi.database.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        return runner.current(soi.database)

    revision = None
    with anyio.move_on_after(READY_TIMEOUT_S) as scope:
        revision = await anyio.to_thread.run_sync(ask, abandon_on_cancel=True)
    if scope.cancelled_caught:
        raise Unavailable("the database does not answer", retry_after_s=2)
    if revision != runner.newest():
        raise Unavailable("the database is not at the newest revision; run soi db upgrade", retry_after_s=5)


@router.get("/metrics", dependencies=[Depends(allow("metrics:read"))])
def metrics(soi: Soi) -> Response:
    """This process's counters and the installation's figures, in the Prometheus text format."""
    return Response(generate_latest() + generate_latest(soi.metrics), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/openapi.json", dependencies=[Depends(allow("me:read"))])
async def openapi(request: Request) -> JSONResponse:
    """The OpenAPI description of this API."""
    return JSONResponse(request.app.openapi())

"""create_app(): settings, lifespan, middleware, error handlers, routers; nothing else."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from starlette.routing import Mount

from backend import memory, routers
from backend.deps import PUBLIC_PATHS
from backend.http import install_error_handlers, install_middleware
from backend.services import Services
from backend.settings import Settings


def create_app(settings: Settings | None = None, *, ui: bool | None = None) -> FastAPI:
    """The ASGI application. With `ui` (default: SOI_UI) the screens are mounted on the same port."""
    settings = settings or Settings()
    with_ui = settings.ui if ui is None else ui
    services = Services(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            memory.bound_heaps()
            services.start()
            stack.callback(services.stop)
            memory.settle_garbage()
            if settings.grpc_port:
                await stack.enter_async_context(serve_grpc(services))
            if with_ui:
                await stack.enter_async_context(app.state.ui.lifespan())
            yield

    app = FastAPI(
        title="Soi",
        version="0.1.0",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry=telemetry(),
    )
    app.state.services = services
    install_middleware(app, settings)
    install_error_handlers(app)
    # Flat, so that the app's own route table lists every route with its guard (include_router nests them).
    app.router.routes.extend(route for router in routers.ALL for route in router.routes)
    check_guards(app)
    if with_ui:
        from backend.ui_mount import mount_ui

        mount_ui(app, settings)
    return app


def serve_grpc(services: Services) -> AbstractAsyncContextManager[None]:
    """The gRPC server, for as long as the block runs; its package is an extra."""
    try:
        from backend.oip.grpc_server import serving
    except ImportError as error:
        raise RuntimeError("SOI_GRPC_PORT is set, but grpcio is not installed: pip install 'soi[grpc]'") from error
    return serving(services)


def telemetry() -> TelemetryConfig:
    """Looking for an exporter costs every request 20 microseconds: only where the environment names one."""
    is_wanted = any(name.startswith("OTEL_") for name in os.environ)
    return {"tracing": is_wanted, "metrics": is_wanted, "logs": is_wanted}


def check_guards(app: FastAPI) -> None:
    """Refuse to start with a route that nobody guards."""
    for route in api_routes(app):
        if route.path not in PUBLIC_PATHS and not route_permissions(route):
            raise RuntimeError(f"route {route.path} has no guard: add it to a guarded_router or to PUBLIC_PATHS")


def api_routes(app: FastAPI) -> list[APIRoute]:
    """Every route of the API, from the app's own table. Anything else but the mounted screens is refused."""
    strangers = [route for route in app.routes if not isinstance(route, APIRoute | Mount)]
    if strangers:
        raise RuntimeError(f"routes that no guard can be read from: {strangers}")
    return [route for route in app.routes if isinstance(route, APIRoute)]


def route_permissions(route: APIRoute) -> list[str]:
    """The permissions that a route asks for, from its own dependency tree."""
    calls = [dependency.call for dependency in route.dependant.dependencies]
    return [permission for call in calls if (permission := getattr(call, "soi_permission", None))]

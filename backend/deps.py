"""The handful of dependencies that routers use: sessions, services of the process, the principal, the guard.

Deny by default: every router is made by `guarded_router(permission)`, and create_app refuses to start with a
route that has neither a guard nor a place in PUBLIC_PATHS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.requests import HTTPConnection

from backend.auth.rules import PERMISSIONS, Principal
from backend.errors import NotAllowed, NotAuthenticated
from backend.services import Services
from db.engine import ReadSession, WriteSession

PUBLIC_PATHS = frozenset(
    {
        "/healthz",
        "/readyz",
        "/v2/health/live",
        "/v2/health/ready",
        "/login",
        "/v1/auth/login",
        "/v1/auth/bootstrap",
    }
)


async def services(connection: HTTPConnection) -> Services:
    """The process's long-lived objects, made once in create_app. A coroutine: others are run in a thread."""
    found: Services = connection.app.state.services
    return found


Soi = Annotated[Services, Depends(services)]


def read_session(soi: Soi) -> Iterator[ReadSession]:
    with soi.database.read() as session:
        yield session


def write_session(soi: Soi) -> Iterator[WriteSession]:
    with soi.database.write() as session:
        yield session


Reader = Annotated[ReadSession, Depends(read_session)]
#: scope="function": the commit happens before the answer leaves, so a failed commit cannot answer 200.
Writer = Annotated[WriteSession, Depends(write_session, scope="function")]


async def current_principal(request: Request, soi: Soi) -> Principal:
    """Who makes this request, from its bearer token, API key or session cookie; 401 when nobody."""
    principal = await soi.authenticator.authenticate(request)
    if principal is None:
        raise NotAuthenticated("sign in, or send an API key as a bearer token")
    return principal


Me = Annotated[Principal, Depends(current_principal)]


def allow(permission: str) -> Callable[..., Any]:
    """A dependency that lets only holders of a permission through."""
    if permission not in PERMISSIONS:
        raise ValueError(f"unknown permission {permission!r}")

    async def guard(me: Me) -> None:
        if not me.may(permission):
            raise NotAllowed("your role or key does not allow this", details={"permission": permission})

    guard.soi_permission = permission  # type: ignore[attr-defined]
    return guard


def allow_directly(permission: str) -> Callable[..., Any]:
    """As `allow`, as one dependency without others below it, for the busiest routes; sets request.state.principal.

    Solving a tree of dependencies costs more than checking and storing one event.
    """
    if permission not in PERMISSIONS:
        raise ValueError(f"unknown permission {permission!r}")

    async def guard(request: Request) -> None:
        me = await current_principal(request, request.app.state.services)
        if not me.may(permission):
            raise NotAllowed("your role or key does not allow this", details={"permission": permission})
        request.state.principal = me

    guard.soi_permission = permission  # type: ignore[attr-defined]
    return guard


def guarded_router(prefix: str, permission: str, *, tags: list[str] | None = None) -> APIRouter:
    """A router whose every route needs a permission; single routes may ask for more with `allow`."""
    return APIRouter(
        prefix=prefix, tags=list(tags or [prefix.strip("/").split("/")[-1]]), dependencies=[Depends(allow(permission))]
    )

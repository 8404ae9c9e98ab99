"""Every route of the app's own table x every role, nobody, a key with and a key without the scope."""

from __future__ import annotations

import secrets
from datetime import timedelta

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from backend import routers
from backend.auth.rules import KEY_SCOPES, PERMISSIONS, ROLES
from backend.auth.tokens import hash_token, new_key
from backend.deps import PUBLIC_PATHS
from backend.main import api_routes, create_app, route_permissions
from backend.settings import Settings
from db.base import utc_now
from db.engine import Database
from db.models.person import ApiKey, User, UserSession
from tests.conftest import on_sqlite

DENIED = {401, 403}


def person_token(database: Database, role: str) -> str:
    """A fresh session, because one of the routes ends it."""
    token = secrets.token_urlsafe(32)
    with database.write() as session:
        user = User(email=f"{token[:12].lower()}@soi.test", name=role, role=role)
        session.add(user)
        session.flush()
        later = utc_now() + timedelta(hours=1)
        session.add(UserSession(token_hash=hash_token(token), user_id=user.id, expires_at=later))
    return token


def key_token(database: Database, scopes: set[str]) -> str:
    key = new_key()
    with database.write() as session:
        session.add(ApiKey(name="key", key_hash=hash_token(key), prefix=key[:10], scopes=sorted(scopes)))
    return key


def call(app: TestClient, method: str, path: str, token: str | None) -> httpx.Response:
    """The route without a body, with names that do not exist in its path."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    parts = ["absent" if part.startswith("{") else part for part in path.split("/")]
    return app.request(method, "/".join(parts), headers=headers)


def cells(route: APIRoute) -> list[tuple[str, bool]]:
    """(who, is allowed) for one route, from the permissions that its own dependency tree asks for."""
    if route.path in PUBLIC_PATHS:
        return [("anonymous", True)]
    wanted = set(route_permissions(route))
    found = [(role, all(role in PERMISSIONS[name] for name in wanted)) for role in ROLES]
    return [*found, ("anonymous", False), ("key with scope", wanted <= KEY_SCOPES), ("key without scope", False)]


def token_of(database: Database, who: str, route: APIRoute) -> str | None:
    wanted = set(route_permissions(route))
    if who == "anonymous":
        return None
    if who == "key with scope":
        return key_token(database, wanted)
    if who == "key without scope":
        return key_token(database, set(KEY_SCOPES) - wanted)
    return person_token(database, who)


@on_sqlite
@pytest.mark.timeout(400)
def test_every_route_lets_exactly_its_roles_through(app: TestClient, database: Database) -> None:
    wrong, n_cells = [], 0
    routes = api_routes(app.app)  # type: ignore[arg-type]
    for route in routes:
        for method in sorted(route.methods - {"HEAD", "OPTIONS"}):
            for who, is_allowed in cells(route):
                answer = call(app, method, route.path, token_of(database, who, route))
                n_cells += 1
                is_denied = answer.status_code in DENIED
                # A sign-in with nothing in it may be refused: that is its job, not its guard.
                if (is_denied == is_allowed and route.path not in PUBLIC_PATHS) or answer.status_code == 500:
                    wrong.append((method, route.path, who, answer.status_code))
                if who == "anonymous" and not is_allowed and answer.status_code != 401:
                    wrong.append((method, route.path, who, answer.status_code))
    assert not wrong
    assert n_cells >= 7 * (len(routes) - len(PUBLIC_PATHS) - 1)


def test_every_permission_is_asked_for_by_a_route_or_held_for_one_role_at_least(app: TestClient) -> None:
    asked = {name for route in api_routes(app.app) for name in route_permissions(route)}  # type: ignore[arg-type]
    assert asked <= set(PERMISSIONS)
    assert {"people:manage", "keys:manage", "audit:read", "models:write", "rollouts:write"} <= asked
    assert all(PERMISSIONS.values())


def test_app_with_an_unguarded_route_does_not_start(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten = APIRouter()

    @forgotten.get("/v1/forgotten")
    def read() -> str:
        return "open to everybody"

    monkeypatch.setattr(routers, "ALL", (*routers.ALL, forgotten))
    with pytest.raises(RuntimeError, match="/v1/forgotten"):
        create_app(settings, ui=False)

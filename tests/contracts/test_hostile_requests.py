"""No request makes a server error: every route of the app's own table is sent hostile bodies, paths and queries."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from backend.auth.rules import KEY_SCOPES
from backend.main import api_routes
from tests.conftest import add_session

BODIES: tuple[bytes, ...] = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"12",
    b"{",
    b"\xff\xfe{\x00}\x00",
    b'{"model": NaN}',
    b'{"name": "a\\u0000b", "model": "a\\u0000b"}',
    b'{"name": "\\ud800", "model": "\\ud800", "label": "\\ud800"}',
    b'{"model": 1e400, "n": 1e400}',
    b'{"n": 123456789012345678901234567890, "model": "m"}',
    b'{"model": "m", "model": "m"}',
    b'{"model": ' + b"[" * 500 + b"]" * 500 + b"}",
    b'[{"subject_id": "s", "label": "' + b"x" * 70_000 + b'"}]',
    b'{"model": "m", "n": -1, "limit": -1, "modes": ["x"], "label": {}, "verb": 5, "tasks": 3, "leases": 1}',
)
VALUES: tuple[str, ...] = (
    "",
    "%00",
    "%ED%A0%80",
    "-1",
    "99999999999999999999999",
    "NaN",
    "' OR 1=1 --",
    "../../etc",
    "x" * 5000,
)


def filled(route: APIRoute, value: str) -> str:
    return re.sub(r"\{[^}]+\}", value, route.path)


#: What a database may stumble over once the server has understood it: the rest is refused before, on every kind alike.
FOR_THE_DATABASE = {"%00", "%ED%A0%80", "99999999999999999999999", "' OR 1=1 --"}


#: What makes a query whole, so that the one hostile value in it is what the route has to deal with.
SOUND = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z", "measure": "requests", "a": "champion"}


def queries(route: APIRoute, values: Sequence[str]) -> Iterator[str]:
    """Query strings with one hostile value in turn in everything the route reads, the rest being sound."""
    fields = [field for field in get_flat_params(route.dependant) if isinstance(field.field_info, Query)]
    needed = {field.alias: SOUND.get(field.alias, "m") for field in fields if field.field_info.is_required()}
    for name in (*(field.alias for field in fields), "nothing"):
        sound = "".join(f"&{other}={good}" for other, good in needed.items() if other != name)
        yield from (f"{name}={value}{sound}" for value in values)


def requests(route: APIRoute, *, every: bool) -> Iterator[tuple[str, str, bytes | None]]:
    values = [value for value in VALUES if every or value in FOR_THE_DATABASE]
    for method in sorted(route.methods):
        if method in ("POST", "PUT", "PATCH"):
            for body in BODIES:
                yield method, filled(route, "m"), body
        if "{" in route.path:
            for value in values:
                if value not in ("", "../../etc"):
                    yield method, filled(route, value), b"{}" if method != "GET" else None
        if method == "GET":
            for query in queries(route, [value for value in values if value in VALUES[:-2]]):
                yield method, f"{filled(route, 'm')}?{query}", None


def what_fails(client: TestClient, method: str, path: str, body: bytes | None) -> str | None:
    """The server error that a request makes, with its traceback where there is one; None when it makes none."""
    try:
        answer = client.request(method, path, content=body, follow_redirects=False)
    except Exception:  # noqa: BLE001  whatever it is, a person would get a 500
        return traceback.format_exc(limit=-6)
    return f"{answer.status_code} {answer.text[:300]}" if answer.status_code >= 500 else None


#: Some thousands of requests: seconds on an idle machine, minutes on a busy one.
@pytest.mark.timeout(900)
def test_no_request_makes_a_server_error(app: TestClient) -> None:
    token = add_session(app.app.state.services.database, "admin", "root")  # type: ignore[attr-defined]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    made = app.post(
        "/v1/models",
        json={"name": "m", "item_kind": "tabular", "labels": [{"name": "ok"}, {"name": "bad"}]},
        headers=headers,
    )
    assert made.status_code == 201, made.text
    loud = TestClient(app.app, base_url=str(app.base_url), headers=headers)
    failed: list[Any] = []
    once: list[Any] = []
    n = 0
    is_embedded = app.app.state.services.database.is_sqlite  # type: ignore[attr-defined]
    for route in api_routes(app.app):  # type: ignore[arg-type]
        if route.path in ("/v1/auth/logout", "/metrics"):
            continue
        for method, path, body in requests(route, every=is_embedded):
            problem = what_fails(loud, method, path, body)
            n += 1
            if problem is not None:
                # What a request causes, it causes again. What a busy machine caused is shown, and told apart.
                print(f"failed once: {method} {path[:120]}\n{problem}", file=sys.__stderr__)
                again = what_fails(loud, method, path, body)
                (failed if again else once).append((method, path[:120], (body or b"")[:80], problem[-400:]))
    assert failed == []
    assert len(once) < 2, once
    assert n > (4000 if is_embedded else 2500)


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/nothing", "/v1/models/m/nothing"])
def test_unknown_addresses_answer_json(app: TestClient, path: str) -> None:
    answer = app.get(path)
    assert answer.status_code in (401, 404)
    # The Open Inference Protocol has a shape of its own for errors.
    error = answer.json()["error"]
    assert error if path.startswith("/v2") else error["code"]
    assert isinstance(error, str) == path.startswith("/v2")


def test_keys_never_manage_people() -> None:
    assert not {"people:manage", "keys:manage"} & KEY_SCOPES

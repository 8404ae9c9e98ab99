"""What stands before the screens: who gets in, what is stripped and added, and how files are sent."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from backend.errors import NotAllowed
from backend.ui_gate import UiGate, Visitor, is_page
from backend.ui_page import Page, StaticFiles, content_policy, make_page

INDEX = """<!-- licence --><!DOCTYPE html>
<html lang="en"><head><link rel="shortcut icon" href="./favicon.png" />
<link rel="preload" href="./x.woff2" as="font" crossorigin />
<link rel="service-desc" href="./_stcore/agent/openapi.json" /><title>Streamlit</title>
<script>
      window.prerenderReady = false
    </script><script type="module" src="./static/js/index.js"></script></head>
<body><noscript><p>other words</p></noscript></body></html>"""


class Inner:
    """Stands for Streamlit: keeps what reached it."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"inner"})


async def who_is(request: HTTPConnection) -> Visitor | None:
    token = request.cookies.get("soi_session")
    if token == "foreign":
        raise NotAllowed("this request did not come from a page of this site")
    return Visitor(token) if token == "good" else None


@pytest.fixture
def inner() -> Inner:
    return Inner()


@pytest.fixture
def gate(inner: Inner, tmp_path: Path) -> UiGate:
    (tmp_path / "static" / "js").mkdir(parents=True)
    (tmp_path / "static" / "js" / "index.js").write_text("let a = 1;\n" * 500)
    (tmp_path / "index.html").write_text(INDEX)
    (tmp_path / "icon.png").write_bytes(b"png")
    return UiGate(inner, who_is, Page(INDEX), StaticFiles(tmp_path, tmp_path / "icon.png"), "en")


def ask(gate: UiGate, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(app=gate)
        async with httpx.AsyncClient(transport=transport, base_url="http://soi.test") as client:
            return await client.request(
                method, path, headers={name.replace("_", "-"): v for name, v in headers.items()}
            )

    return asyncio.run(go())


def knock(gate: UiGate, headers: list[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    """Opens a websocket; what the server sent."""
    sent: list[dict[str, Any]] = []

    async def go() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        scope = {"type": "websocket", "path": "/_stcore/stream", "headers": headers, "query_string": b""}
        await gate(scope, receive, send)

    asyncio.run(go())
    return sent


def test_a_page_without_session_leads_to_sign_in_and_back(gate: UiGate) -> None:
    answer = ask(gate, "/health?model=pcb&range=7d")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fhealth%3Fmodel%3Dpcb%26range%3D7d"


@pytest.mark.parametrize("path", ["/_stcore/health", "/_stcore/host-config", "/media/abc.png", "/component/x/y.js"])
def test_parts_of_the_app_without_session_answer_401(gate: UiGate, inner: Inner, path: str) -> None:
    answer = ask(gate, path)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "not_authenticated"
    assert inner.scopes == []


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/models/x", "/v1/", "/v1"])
def test_unknown_paths_of_the_api_stay_a_json_404_even_with_a_session(gate: UiGate, path: str, method: str) -> None:
    answer = ask(gate, path, method, cookie="soi_session=good")
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error == f"there is nothing at {path}" if path.startswith("/v2") else error["code"] == "not_found"


def test_a_signed_in_person_gets_the_page_with_its_policy(gate: UiGate) -> None:
    answer = ask(gate, "/health", cookie="soi_session=good", accept_language="vi")
    assert answer.status_code == 200
    assert '<html lang="vi">' in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "unsafe-inline" not in answer.headers["content-security-policy"].split("style-src")[0]


def test_the_policy_allows_exactly_the_inline_script_of_the_page(gate: UiGate) -> None:
    page = make_page(INDEX, "en")
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in content_policy(page)
    assert "other words" not in page
    assert "service-desc" not in page
    assert "<title>Soi</title>" in page


def test_identity_headers_of_the_client_never_reach_the_screens(gate: UiGate, inner: Inner) -> None:
    ask(gate, "/_stcore/health", cookie="soi_session=good", x_soi_session="stolen", authorization="Bearer other")
    headers = inner.scopes[0]["headers"]
    assert [value for name, value in headers if name == b"x-soi-session"] == [b"good"]
    assert not [value for name, value in headers if name == b"authorization"]


def test_a_websocket_without_session_is_refused(gate: UiGate, inner: Inner) -> None:
    assert knock(gate, [])[0]["type"] == "websocket.close"
    assert knock(gate, [(b"x-soi-session", b"good")])[0]["type"] == "websocket.close"
    assert knock(gate, [(b"cookie", b"soi_session=foreign")])[0]["type"] == "websocket.close"
    assert inner.scopes == []


def test_a_websocket_with_session_carries_the_verified_token(gate: UiGate, inner: Inner) -> None:
    assert (
        knock(gate, [(b"cookie", b"soi_session=good"), (b"x-soi-session", b"stolen")])[0]["type"] == "websocket.accept"
    )
    assert [value for name, value in inner.scopes[0]["headers"] if name == b"x-soi-session"] == [b"good"]


def test_an_unsafe_request_of_a_foreign_page_is_refused(gate: UiGate, inner: Inner) -> None:
    answer = ask(gate, "/_stcore/upload_file/x", "PUT", cookie="soi_session=foreign")
    assert answer.status_code == 403
    assert inner.scopes == []


def test_the_door_for_programs_is_shut(gate: UiGate, inner: Inner) -> None:
    assert ask(gate, "/_stcore/agent/interact", "POST", cookie="soi_session=good").status_code == 404
    assert inner.scopes == []


def test_assets_are_compressed_and_kept_for_good(gate: UiGate) -> None:
    answer = ask(gate, "/static/js/index.js", accept_encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.text == "let a = 1;\n" * 500
    plain = ask(gate, "/static/js/index.js", accept_encoding="identity")
    assert "content-encoding" not in plain.headers
    assert plain.text == answer.text


@pytest.mark.parametrize("path", ["/static/../secret.txt", "/static/%2e%2e/secret.txt", "/static//etc/passwd"])
def test_no_path_climbs_out_of_the_assets(gate: UiGate, tmp_path: Path, path: str) -> None:
    (tmp_path.parent / "secret.txt").write_text("secret")
    assert "secret" not in ask(gate, path).text


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", True),
        ("/health", True),
        ("/a/b", False),
        ("/x.png", False),
        ("/_stcore/health", False),
        ("/media/a", False),
    ],
)
def test_only_one_segment_without_a_file_name_is_a_page(path: str, expected: bool) -> None:
    assert is_page({"type": "http", "method": "GET", "path": path}) is expected


def test_the_screens_load_no_torch() -> None:
    script = (
        "import sys, json; import backend.ui_mount, dashboard.app; from importlib import import_module;"
        "[import_module(screen.module) for screen in dashboard.app.SCREENS];"
        "print(json.dumps([name for name in sys.modules if name.split('.')[0] in ('torch', 'sqlalchemy_utils')]))"
    )
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout.splitlines()[-1]) == []

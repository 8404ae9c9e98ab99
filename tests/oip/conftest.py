"""A server of its own on real ports, REST and gRPC, shared by the tests of this folder; each has its own models."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from backend.auth.tokens import hash_token, new_key
from backend.main import create_app
from backend.services import Services
from backend.settings import Settings
from db.models.model import Artifact, Model, ModelVersion, Rollout
from db.models.person import ApiKey
from db.repositories.models import find_model
from tests.inference.conftest import HONEST, TABULAR, torchscript

#: What the honest version says of x = 2, y = 1: softmax of (-1, 1).
YES = 0.8807970779778823
_numbers = itertools.count()


@dataclass
class Live:
    """The server's addresses, and its inside."""

    soi: Services
    rest: str
    grpc: str
    key: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Anew each time: tritonclient writes into what it is given."""
        return {"authorization": f"Bearer {self.key}"}

    @property
    def triton(self) -> str:
        """The address as tritonclient wants it."""
        return self.rest.removeprefix("http://")

    def http(self, **more: Any) -> httpx.Client:
        return httpx.Client(base_url=self.rest, headers=self.headers, trust_env=False, **more)

    def add_key(self, *scopes: str, models: list[str] | None = None) -> str:
        key = new_key()
        with self.soi.database.write() as session:
            session.add(
                ApiKey(name="k", key_hash=hash_token(key), prefix=key[:10], scopes=sorted(scopes), models=models)
            )
        return key

    def add_model(self, source: str | bytes | None = HONEST, signature: dict[str, Any] = TABULAR, **more: Any) -> str:
        """A new model whose version v1 is champion; without a source it has neither."""
        name = f"m{next(_numbers)}"
        labels = [{"name": one} for one in signature.get("outputs", [])]
        kind = "number" if not labels else "label"
        with self.soi.database.write() as session:
            session.add(Model(name=name, item_kind="tabular", output_kind=kind, labels=labels, **more))
        if source is not None:
            self.add_version(name, "v1", source, signature)
            self.roll_out(name, "v1")
        return name

    def add_version(
        self, model: str, name: str, source: str | bytes, signature: dict[str, Any] = TABULAR, kind: str = "torchscript"
    ) -> None:
        data = source if isinstance(source, bytes) else torchscript(source)
        sha256 = self.soi.artifacts.put(data)
        with self.soi.database.write() as session:
            if session.get(Artifact, sha256) is None:
                session.add(Artifact(sha256=sha256, kind="model", media_type="application/zip", n_bytes=len(data)))
                session.flush()
            session.add(
                ModelVersion(
                    model_id=self.row(model).id, name=name, kind=kind, artifact_sha256=sha256, signature=signature
                )
            )

    def roll_out(
        self, model: str, champion: str, *shadows: str, level: str = "full", canary: dict[str, float] | None = None
    ) -> None:
        """`canary`: shares of challengers whose answers callers get; they are loaded before."""
        challengers = [{"version": one, "mode": "shadow", "share": 1.0} for one in shadows]
        challengers += [{"version": one, "mode": "canary", "share": share} for one, share in (canary or {}).items()]
        for name in canary or {}:
            version = asyncio.run(self.soi.inference.find(model, name)).version
            self.soi.inference.versions.load(version)
        with self.soi.database.write() as session:
            row = Rollout(model_id=self.row(model).id, champion=champion, challengers=challengers)
            row.automation_level = level
            row.reason = row.created_by = "test"
            session.add(row)
        self.soi.inference.forget_plans()

    def row(self, model: str) -> Model:
        with self.soi.database.read() as session:
            found = find_model(session, model)
        assert found is not None
        return found

    def events(self, model: str, n: int = 0) -> list[dict[str, Any]]:
        """Everything logged of a model, in commit order. Shadows run after an answer has left: wait for `n` events."""
        deadline = time.monotonic() + 10
        while True:
            assert self.soi.inference.shadows.wait_until_idle()
            batches = self.soi.eventlog.iter_batches(self.row(model).id, 0, 1_000)
            found = [row for _, table in batches for row in table.to_pylist()]
            if len(found) >= n or time.monotonic() > deadline:
                return found
            time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def live(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    shutil.copy(sqlite_template, folder / "soi.db")
    settings = Settings(
        data_dir=folder, ui=False, port=free_port(), grpc_port=free_port(), max_body_bytes=2**20, predict_timeout_s=5
    )
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=settings.port, log_level="warning"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    made = Live(app.state.services, f"http://127.0.0.1:{settings.port}", f"127.0.0.1:{settings.grpc_port}")
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        thread.join(0.02)
    made.key = made.add_key("predict", "rollouts:write")
    yield made
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def post(live: Live) -> Iterator[Callable[..., httpx.Response]]:
    """post("m1", {...}) asks a model to infer, over plain HTTP."""
    with live.http() as http:

        def ask(model: str, body: Any = None, **more: Any) -> httpx.Response:
            if body is not None:
                more["json"] = body
            return http.post(f"/v2/models/{model}/infer", **more)

        yield ask


def tensor(name: str, data: list[Any], datatype: str = "FP64", shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def row_of(x: float, y: float) -> dict[str, Any]:
    return {"inputs": [tensor("x", [x]), tensor("y", [y])]}

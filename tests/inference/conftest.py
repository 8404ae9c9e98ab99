"""Small TorchScript versions made on the spot, registered through the database."""

from __future__ import annotations

import io
import itertools
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from backend.client import Client
from backend.services import Services
from db.models.model import Artifact, Model, ModelVersion, Rollout
from db.repositories.models import find_model

torch = pytest.importorskip("torch")

TABULAR = {"input": {"kind": "tabular", "features": ["x", "y"]}, "outputs": ["no", "yes"]}
IMAGE = {"input": {"kind": "image", "width": 8, "height": 8, "channels": 1}, "outputs": ["dark", "bright"]}


@pytest.fixture
def soi(app: TestClient) -> Services:
    services: Services = app.app.state.services  # type: ignore[attr-defined]
    return services


@pytest.fixture
def client(sign_in: Callable[..., Client]) -> Client:
    made = sign_in("data_scientist", "manager")
    made.models.create(
        name="demo", item_kind="tabular", labels=[{"name": one} for one in ("no", "yes", "dark", "bright")]
    )
    return made


def model_row(soi: Services) -> Model:
    with soi.database.read() as session:
        found = find_model(session, "demo")
    assert found is not None
    return found


_names = itertools.count()


def torchscript(source: str) -> bytes:
    """A TorchScript file whose forward(x) is the given body."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = type(f"Made{next(_names)}", (torch.jit.ScriptModule,), {})()
        module.define(f"def forward(self, x):\n{source}\n")
        buffer = io.BytesIO()
        torch.jit.save(module, buffer)
    return buffer.getvalue()


#: Scores: "yes" when x > y.
HONEST = "    return torch.stack([x[:, 1] - x[:, 0], x[:, 0] - x[:, 1]], dim=1)"
INVERTED = "    return torch.stack([x[:, 0] - x[:, 1], x[:, 1] - x[:, 0]], dim=1)"
NOT_A_NUMBER = "    return torch.stack([x[:, 1] / 0.0 - x[:, 0] / 0.0, x[:, 0] * 0.0], dim=1)"
THREE = "    return torch.zeros([1, 3])"
RAISES = "    assert x.sum() == 0.0, 'out of order'\n    return torch.zeros([1, 2])"
#: Quick for the zeros of the warm-up, seconds for anything else (not for ever: the test process has to end).
HANGS = (
    "    total = x.sum()\n    n = 0\n    while bool(total != 0.0) and n < 600000:\n        n += 1\n"
    "        total = total + 0.000001\n    return torch.zeros([1, 2])"
)
BRIGHT = "    m = x.mean(dim=[1, 2, 3])\n    return torch.stack([0.5 - m, m - 0.5], dim=1) * 20.0"


@pytest.fixture
def register(soi: Services, client: Client) -> Callable[..., None]:
    """register("v1", HONEST) stores a version under the model "demo"."""

    def make(name: str, source: str | bytes, signature: dict[str, Any] = TABULAR, kind: str = "torchscript") -> None:
        data = source if isinstance(source, bytes) else torchscript(source)
        sha256 = soi.artifacts.put(data)
        with soi.database.write() as session:
            if session.get(Artifact, sha256) is None:
                session.add(Artifact(sha256=sha256, kind="model", media_type="application/zip", n_bytes=len(data)))
                session.flush()
            session.add(
                ModelVersion(
                    model_id=model_row(soi).id, name=name, kind=kind, artifact_sha256=sha256, signature=signature
                )
            )

    return make


@pytest.fixture
def roll_out(soi: Services, client: Client) -> Callable[..., None]:
    """roll_out("v1", "v2") makes v1 champion, which answers by itself, and v2 a shadow."""

    def make(champion: str | None, *shadows: str, share: float = 1.0, level: str = "full", **more: Any) -> None:
        challengers = [{"version": one, "mode": "shadow", "share": share} for one in shadows]
        with soi.database.write() as session:
            session.add(
                Rollout(
                    model_id=model_row(soi).id,
                    champion=champion,
                    challengers=challengers,
                    automation_level=level,
                    automation=more or None,
                    reason="test",
                    created_by="test",
                )
            )
        soi.inference.forget_plans()

    return make


def events(soi: Services) -> list[dict[str, Any]]:
    """Everything logged, in commit order."""
    rows: list[dict[str, Any]] = []
    for _, table in soi.eventlog.iter_batches(model_row(soi).id, 0, 1_000):
        rows += table.to_pylist()
    return rows


def png(brightness: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (16, 16), brightness).save(buffer, "PNG")
    return buffer.getvalue()

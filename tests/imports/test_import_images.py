"""A folder of images with a manifest, and history sent to a running API instead of the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from backend.client import Client
from backend.commands.registry import OPERATOR
from backend.errors import Invalid, NotFound
from backend.imports.images import import_images
from backend.imports.load import import_files
from backend.imports.mapping import make_mapping
from backend.imports.sinks import ApiSink, DatabaseSink
from backend.models.schemas import ModelCreate
from backend.services import door_limits
from backend.settings import Settings
from db.artifact_store import ArtifactStore
from db.engine import Database
from db.eventlog.log import EventLog
from db.repositories.artifacts import get_artifact
from db.repositories.models import find_model


@pytest.fixture
def sink(database: Database, settings: Settings) -> Iterator[DatabaseSink]:
    eventlog = EventLog(database, settings.lake_uri, limits=door_limits(settings))
    eventlog.start()
    made = DatabaseSink(database, eventlog, OPERATOR, ArtifactStore(settings.artifacts_uri), settings)
    made.create(ModelCreate(name="parts", item_kind="image", labels=[{"name": "ok"}, {"name": "bad"}]))
    yield made
    eventlog.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "images"
    made.mkdir()
    for number, shade in enumerate((10, 90, 200)):
        Image.new("L", (40, 30), shade).save(made / f"{number}.png")
    (made / "broken.png").write_bytes(b"this is no picture")
    rows = ["file,golden,answer", "0.png,2.png,ok", "1.png,2.png,bad", "broken.png,2.png,ok", "../x.png,,ok"]
    (made / "manifest.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "x.png").write_bytes((made / "0.png").read_bytes())
    return made


def quiet(step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def test_images_become_artifacts_with_their_golden_samples(sink: DatabaseSink, folder: Path) -> None:
    mapping = make_mapping(model="parts", prediction="answer", start="2026-05-01T00:00:00Z")
    report = import_images(folder, mapping, sink, on_progress=quiet)
    again = import_images(folder, mapping, sink, on_progress=quiet)
    assert (report.n_rows, report.n_new, dict(report.n_problems)) == (4, 2, {"bad_image": 2})
    assert (again.n_new, again.n_duplicates) == (0, 2)
    with sink.database.read() as session:
        model = find_model(session, "parts")
        assert model is not None
        rows = sink.eventlog.read(model.id, None, None, limit=10).to_pylist()
        sizes = [get_artifact(session, sha256) for row in rows for sha256 in row["artifacts"]]
    assert {row["subject_id"]: row["prediction"] for row in rows} == {"0.png": "ok", "1.png": "bad"}
    assert rows[0]["artifacts"][1] == rows[1]["artifacts"][1]
    assert {(one.width, one.height) for one in sizes if one is not None} == {(40, 30)}


def test_folder_without_manifest_or_model_is_refused(sink: DatabaseSink, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        import_images(folder, make_mapping(model="absent"), sink, on_progress=quiet)
    with pytest.raises(Invalid, match="there is no file"):
        import_images(tmp_path, make_mapping(model="parts"), sink, on_progress=quiet)


def test_history_sent_to_the_api_is_the_same_as_in_the_database(
    app: TestClient, sign_in: Callable[..., Client], tmp_path: Path
) -> None:
    path = tmp_path / "history.csv"
    path.write_text("when,item,answer,age\n2026-05-01T08:00:00Z,a1,yes,31\n2026-05-01T08:01:00Z,a2,no,old\n")
    client = sign_in("data_scientist")
    client.models.create(
        name="loans", item_kind="tabular", inputs=[{"name": "age", "type": "integer"}], output_kind="label"
    )
    mapping = make_mapping(model="loans", time="when", id="item", prediction="answer")
    report = import_files([path], mapping, ApiSink(client))
    again = import_files([path], mapping, ApiSink(client))
    assert (report.n_new, dict(report.n_problems)) == (1, {"type_changed": 1})
    assert (again.n_new, again.n_duplicates) == (0, 1)
    assert client.predictions.get("loans", "a1")["prediction"] == "yes"
    assert [version.name for version in client.model_versions.list("loans")] == ["1"]
    assert [row.code for row in client.predictions.quarantine("loans")] == ["type_changed", "type_changed"]

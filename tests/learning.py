"""A small inspection line for the tests of learning: striped boards, a trained v1, labels, a worker's job runner."""

from __future__ import annotations

import functools
import io
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sqlalchemy.engine import make_url

from backend.client import Client
from backend.jobs.schemas import JobInfo
from backend.settings import Settings
from backend.worker.jobs import JobRunner
from db.artifact_store import ArtifactStore
from db.engine import Database
from db.models.model import Artifact, Model, ModelVersion, Rollout
from db.models.review import GroundTruth, Subject
from review.training import TrainingResult, make_example, train

LABELS = ["ok", "missing", "extra"]
T0 = datetime(2026, 3, 1, 8, tzinfo=UTC)


def board(rng: np.random.Generator, label: str, size: int = 48) -> tuple[Image.Image, Image.Image]:
    """Stripes on a dark board; `missing` has a gap in one, `extra` has a blob between two."""
    golden = Image.new("L", (size, size), 30)
    draw = ImageDraw.Draw(golden)
    for x in range(6, size, 16):
        draw.rectangle((x, 0, x + 5, size - 1), fill=220)
    item = golden.copy()
    x, y = 6 + 16 * int(rng.integers(size // 16 - 1)), int(rng.integers(8, size - 12))
    if label == "missing":
        ImageDraw.Draw(item).rectangle((x, y, x + 5, y + 6), fill=30)
    if label == "extra":
        ImageDraw.Draw(item).rectangle((x + 7, y, x + 12, y + 6), fill=220)
    noisy = np.clip(np.asarray(item, np.float32) + rng.normal(0, 6, (size, size)), 0, 255)
    return Image.fromarray(noisy.astype(np.uint8)), golden


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@functools.cache
def trained_a_little() -> TrainingResult:
    """A small network that has seen each kind of defect twelve times."""
    rng = np.random.default_rng(0)
    pairs = [(board(rng, label), label) for label in LABELS * 12]
    examples = [make_example(i, g, label, "train", width=48, height=48) for (i, g), label in pairs]
    return train(examples, LABELS, epochs=2)


class Line:
    """The model "pcb" with its first version, and labelled boards."""

    def __init__(self, database: Database, artifacts: ArtifactStore) -> None:
        self.database, self.artifacts = database, artifacts
        self.rng = np.random.default_rng(0)
        self.model = Model(
            name="pcb", item_kind="image", labels=[{"name": label} for label in LABELS], segment_keys=["line"]
        )
        with database.write() as session:
            session.add(self.model)

    def add_version(self, name: str = "v1") -> None:
        """A network trained a little, as champion."""
        result = trained_a_little()
        sha256 = self.artifacts.put(result.torchscript)
        with self.database.write() as session:
            session.add(Artifact(sha256=sha256, kind="model", media_type="application/x-torchscript", n_bytes=1))
            session.flush()
            session.add(
                ModelVersion(
                    model_id=self.model.id,
                    name=name,
                    kind="torchscript",
                    artifact_sha256=sha256,
                    signature=result.signature,
                )
            )
            session.add(Rollout(model_id=self.model.id, champion=name, reason="first", created_by="test"))

    def add_labels(self, n: int, *, labels: list[str] = LABELS, first: int = 0, **changes: Any) -> None:
        """Boards s<first>.. with a resolved label each."""
        with self.database.write() as session:
            for number in range(first, first + n):
                label = labels[number % len(labels)]
                item, golden = board(self.rng, label)
                session.add(
                    GroundTruth(
                        model_id=self.model.id,
                        subject_id=f"s{number:04d}",
                        label=label,
                        method="adjudicated",
                        resolved_by="user:1",
                        resolved_at=T0 + timedelta(minutes=number),
                    )
                )
                session.add(
                    Subject(
                        model_id=self.model.id,
                        subject_id=f"s{number:04d}",
                        artifact_sha256=changes.get("artifact", self.artifacts.put(png(item))),
                        golden_sha256=self.artifacts.put(png(golden)),
                        segments={"line": "AB"[number % 2]},
                    )
                )


@pytest.fixture
def settings(database_url: str, tmp_path: Any) -> Settings:
    """As everywhere, with the jobs' tables in the tested kind of database."""
    jobs_url = "" if make_url(database_url).get_backend_name() == "sqlite" else database_url
    return Settings(data_dir=tmp_path / "data", database_url=database_url, jobs_database_url=jobs_url, ui=False)


@pytest.fixture
def line(database: Database, settings: Settings) -> Line:
    return Line(database, ArtifactStore(settings.artifacts_uri))


@pytest.fixture
def scientist(sign_in: Callable[..., Client]) -> Client:
    return sign_in("data_scientist")


@pytest.fixture
def runner(database: Database, settings: Settings) -> Iterator[JobRunner]:
    made = JobRunner(settings, database, ArtifactStore(settings.artifacts_uri))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def finish(scientist: Client, runner: JobRunner) -> Callable[[str], JobInfo]:
    """Sweep until a job is closed."""

    def wait(job_id: str, timeout_s: float = 90) -> JobInfo:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            runner.sweep()
            job = scientist.jobs.get(job_id)
            if job.state not in ("queued", "running"):
                return job
            time.sleep(0.2)
        raise TimeoutError(f"{job.state} {job.progress} {job.step} {job.messages} {job.error}")

    return wait

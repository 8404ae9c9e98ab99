"""The whole loop through the API, with a real worker beside it: serve, log, review, settle, learn, serve again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from backend.client import Client
from backend.inference.schemas import PredictBody
from backend.settings import Settings
from backend.worker.main import run_worker
from db.base import utc_now
from review.training import make_example, train
from tests.learning import LABELS, board, png

N_BOARDS = 48


@pytest.fixture
def worker(settings: Settings, app: Any) -> Iterator[None]:
    """A worker that seals early, running beside the app."""
    stop = threading.Event()
    quick = settings.model_copy(update={"seal_seconds": 1.0})
    thread = threading.Thread(target=run_worker, args=(quick, stop))
    thread.start()
    yield
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


@dataclass
class Line:
    """A scientist with a model in service, and the truth about each board sent so far."""

    scientist: Client
    truth: dict[str, str]
    rng: np.random.Generator

    def train_and_serve(self) -> None:
        pairs = [(board(self.rng, label), label) for label in LABELS * 12]
        examples = [make_example(item, golden, label, "train", width=48, height=48) for (item, golden), label in pairs]
        result = train(examples, LABELS, epochs=2)
        policy = {"epsilon": 1.0, "n_wanted": 2}
        self.scientist.models.create(
            name="pcb",
            item_kind="image",
            labels=[{"name": label, "is_defect": label != "ok", "key": str(n)} for n, label in enumerate(LABELS)],
            segment_keys=["line"],
            settings={"review_policy": policy},
        )
        stored = self.scientist.artifacts.upload(result.torchscript)
        self.scientist.model_versions.create(
            "pcb", name="v1", kind="torchscript", artifact_sha256=stored.sha256, signature=result.signature
        )
        self.scientist.rollouts.create("pcb", champion="v1", automation_level="full", reason="first version")

    def send_boards(self, n: int) -> None:
        for _ in range(n):
            number = len(self.truth)
            label = LABELS[number % len(LABELS)]
            item, golden = board(self.rng, label)
            shas = [self.scientist.artifacts.upload(png(image), "image/png").sha256 for image in (item, golden)]
            subject = f"b{number:03d}"
            body = PredictBody(subject_id=subject, artifacts=shas, segments={"line": "AB"[number % 2]})
            assert self.scientist.inference.predict("pcb", body).version == "v1"
            self.truth[subject] = label


def eventually(look: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def decide_all(person: Client, answer: Callable[[str], str]) -> int:
    """Work through the blind queue; nothing the machine said may be in what the person gets."""
    n = 0
    while tasks := person.review_tasks.claim("pcb", 5, ["blind"]):
        for task in tasks:
            assert task.reason is None
            assert task.opinions is None
            assert "prediction" not in task.model_dump_json()
            person.review_tasks.decide(task, answer(task.subject_id), duration_ms=900)
            n += 1
    return n


def settle_all(judge: Client, truth: dict[str, str]) -> int:
    n = 0
    while tasks := judge.review_tasks.claim("pcb", 5, ["adjudicate"]):
        for task in tasks:
            assert task.opinions
            judge.review_tasks.decide(task, truth[task.subject_id])
            n += 1
    return n


def test_the_loop_closes(sign_in: Callable[..., Client], worker: None) -> None:
    line = Line(sign_in("data_scientist"), {}, np.random.default_rng(3))
    line.train_and_serve()
    line.send_boards(N_BOARDS)
    scientist = line.scientist
    first, second = sign_in("inspector", name="an"), sign_in("inspector", name="binh")
    eventually(lambda: first.review_tasks.progress("pcb").open == N_BOARDS)

    wrong_once = iter([True])
    assert decide_all(first, line.truth.__getitem__) == N_BOARDS
    n_second = decide_all(
        second, lambda s: "extra" if line.truth[s] == "ok" and next(wrong_once, False) else line.truth[s]
    )
    assert n_second == N_BOARDS

    judge = sign_in("data_scientist", name="judge")
    eventually(lambda: settle_all(judge, line.truth) > 0)
    eventually(
        lambda: settle_all(judge, line.truth) == 0 and len(scientist.labelled_data.list("pcb").items) == N_BOARDS
    )
    assert {row.subject_id: row.label for row in scientist.labelled_data.list("pcb").items} == line.truth

    now = utc_now()
    against = scientist.comparisons.compare(
        "pcb", "version:v1", "truth", now - timedelta(hours=1), now + timedelta(hours=1)
    )
    assert against.n == N_BOARDS
    people = scientist.comparisons.compare("pcb", "people", "truth", now - timedelta(hours=1), now + timedelta(hours=1))
    assert people.agreement.value is not None
    assert people.agreement.value > 0.9

    dataset = scientist.jobs.wait(scientist.datasets.create(model="pcb").id, timeout_s=60)
    assert dataset.state == "done", dataset.error
    run = scientist.retraining.create(dataset_id=dataset.result["dataset_id"], parent_version="v1", epochs=2)
    assert scientist.jobs.wait(run.job.id, timeout_s=120).state == "done"
    new = scientist.retraining.get(run.id).new_version
    assert new == "v2"

    time.sleep(0.6)  # longer than a replica may keep an old rollout
    line.send_boards(6)

    def shadow_answered() -> bool:
        page = scientist.predictions.list("pcb", now, utc_now() + timedelta(minutes=1), role="shadow")
        return len(page.events) == 6

    eventually(shadow_answered)
